"""SwooshL and SwooshR, the activations of the Zipformer (arXiv:2310.11230, section 3.4), exact and lean.

Both are softplus(x - s) - 0.08 x - c. On a CPU PyTorch's `logaddexp` and `softplus` take their logarithm with `log1p`,
which is ten times as slow as `log` on processors where it is not vectorised; and autograd would keep x - s beside x.
Here softplus(t) is -log(sigmoid(-t)), and only x is kept. A CPU goes through x in blocks that stay in its cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from espnet_jst.encoders.precision import widened

SLOPE = 0.08
L_SHIFT, L_OFFSET = 4.0, 0.035
R_SHIFT, R_OFFSET = 1.0, 0.313261687  # swoosh_r(0) = 0
LARGE = 80.0  # exp(-80) is a normal float32, and softplus(t) is t long before
BLOCK = 2**16  # numbers at a time on a CPU


def swoosh_l(x: Tensor, keep: Tensor | None = None) -> Tensor:
    """log(1 + exp(x - 4)) - 0.08 x - 0.035, of any shape; half precisions are computed in float32 and cast back.

    Args:
        x: any shape; (B, T, H) where `keep` is given.
        keep: what the result is multiplied by, (B, 1, H).
    """
    return _swoosh(x, keep, L_SHIFT, L_OFFSET)


def swoosh_r(x: Tensor) -> Tensor:
    """log(1 + exp(x - 1)) - 0.08 x - 0.313261687, as `swoosh_l`."""
    return _swoosh(x, None, R_SHIFT, R_OFFSET)


def _swoosh(x: Tensor, keep: Tensor | None, shift: float, offset: float) -> Tensor:
    if torch.compiler.is_exporting():
        return _for_graph(x, keep, shift, offset)
    if torch.is_grad_enabled() and x.requires_grad:
        return _Swoosh.apply(x, keep, shift, offset)
    return _value(x.contiguous(), keep, shift, offset)


def _value(x: Tensor, keep: Tensor | None, shift: float, offset: float) -> Tensor:
    y = torch.empty_like(x)
    for given, kept, made in _blocks(x, keep, y):
        u = shift - widened(given)
        # softplus(t) = -log(sigmoid(u)) of u = -t; where the clamp bites, u = -softplus(t) is the minimum.
        negative = u.clamp(min=-LARGE).sigmoid_().log_()
        torch.minimum(negative, u, out=negative)
        value = u.mul_(SLOPE).sub_(negative).sub_(offset + SLOPE * shift)
        made.copy_(value if kept is None else value.mul_(kept))
    return y


def _for_graph(x: Tensor, keep: Tensor | None, shift: float, offset: float) -> Tensor:
    """The same value without a sigmoid: onnxruntime's is right to 1e-7, which is too little for its logarithm."""
    t = x - shift
    value = t.clamp(min=0.0) + (1.0 + (-t.abs()).exp()).log() - SLOPE * x - offset
    return value if keep is None else value * keep


class _Swoosh(torch.autograd.Function):
    """The derivative is sigmoid(x - s) - 0.08."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, keep: Tensor | None, shift: float, offset: float) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x, keep)
        ctx.shift = shift
        return _value(x, keep, shift, offset)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        x, keep = ctx.saved_tensors
        d_x = torch.empty_like(x)
        for given, kept, pushed, made in _blocks(x, keep, grad.contiguous(), d_x):
            slope = (widened(given) - ctx.shift).sigmoid_().sub_(SLOPE).mul_(pushed)
            made.copy_(slope if kept is None else slope.mul_(kept))
        return d_x, None, None, None


def _blocks(x: Tensor, keep: Tensor | None, *others: Tensor) -> Iterator[tuple[Any, ...]]:
    """Contiguous parts of x (B, T, H), with those of `keep` and the others: whole rows, or some frames of one row."""
    if x.device.type != "cpu" or x.numel() <= BLOCK:
        yield x, keep, *others
        return
    if keep is None:
        parts = (y.view(-1).split(BLOCK) for y in (x, *others))
        yield from ((first, None, *rest) for first, *rest in zip(*parts, strict=True))
        return
    B, T, H = x.shape
    rows, frames = max(1, BLOCK // (T * H)), T if T * H <= BLOCK else max(1, BLOCK // H)
    for row in range(0, B, rows):
        for frame in range(0, T, frames):
            part = slice(row, row + rows), slice(frame, frame + frames)
            yield x[part], keep[part[0]], *(other[part] for other in others)
