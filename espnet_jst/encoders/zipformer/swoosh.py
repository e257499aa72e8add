"""SwooshL and SwooshR, the activations of the Zipformer (arXiv:2310.11230, section 3.4), exact and lean.

Both are softplus(x - s) - 0.08 x - c. On a CPU PyTorch's `logaddexp` and `softplus` take their logarithm with `log1p`,
which is ten times as slow as `log` on processors where it is not vectorised; and autograd would keep x - s beside x.
Here softplus(t) is -log(sigmoid(-t)), and only x is kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from espnet_jst.encoders.zipformer.precision import widened

SLOPE = 0.08
L_SHIFT, L_OFFSET = 4.0, 0.035
R_SHIFT, R_OFFSET = 1.0, 0.313261687  # swoosh_r(0) = 0
LARGE = 80.0  # exp(-80) is a normal float32, and softplus(t) is t long before


def swoosh_l(x: Tensor) -> Tensor:
    """log(1 + exp(x - 4)) - 0.08 x - 0.035, of any shape; half precisions are computed in float32 and cast back."""
    return _swoosh(x, L_SHIFT, L_OFFSET)


def swoosh_r(x: Tensor) -> Tensor:
    """log(1 + exp(x - 1)) - 0.08 x - 0.313261687, as `swoosh_l`."""
    return _swoosh(x, R_SHIFT, R_OFFSET)


def _swoosh(x: Tensor, shift: float, offset: float) -> Tensor:
    if torch.is_grad_enabled() and x.requires_grad:
        return _Swoosh.apply(x, shift, offset)
    return _value(x, shift, offset)


def _value(x: Tensor, shift: float, offset: float) -> Tensor:
    # softplus(t) = -log(sigmoid(u)) of u = -t; where the clamp bites, the minimum puts u = -softplus(t) in its place.
    u = shift - widened(x)
    negative = u.clamp(min=-LARGE).sigmoid_().log_()
    negative = torch.minimum(negative, u, out=negative)
    return negative.neg_().add_(u, alpha=SLOPE).sub_(offset + SLOPE * shift).to(x.dtype)


class _Swoosh(torch.autograd.Function):
    """The derivative is sigmoid(x - s) - 0.08."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shift: float, offset: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.shift = shift
        return _value(x, shift, offset)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        slope = (widened(x) - ctx.shift).sigmoid_().sub_(SLOPE)
        return slope.mul_(grad).to(x.dtype), None, None
