"""BiasNorm, the normalization of the Zipformer (arXiv:2310.11230, section 3.3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from espnet_jst.encoders.precision import widened
from espnet_jst.encoders.zipformer.shapers import limit_value

MAX_LOG_SCALE = 1.5
TINY = 1e-8  # RMS of a frame that is all bias


class BiasNorm(nn.Module):
    """x exp(g) / RMS(x - b): keeps how long a frame is beside the bias b, which layer normalization forgets.

    Args:
        size: number of channels.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size))
        self.log_scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) in any floating type; computed in float32 or wider."""
        log_scale: Tensor = self.log_scale
        if self.training:
            log_scale = limit_value(log_scale, -MAX_LOG_SCALE, MAX_LOG_SCALE)
        return _BiasNorm.apply(x, self.bias, log_scale)


def _scales(x: Tensor, bias: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor]:
    """RMS of x - b and the factor of each frame, (..., 1)."""
    rms = torch.linalg.vector_norm(x - bias, dim=-1, keepdim=True) * x.size(-1) ** -0.5
    rms = rms.clamp(min=TINY)
    return rms, log_scale.exp() / rms


class _BiasNorm(torch.autograd.Function):
    """Keeps x and two numbers a frame, where autograd keeps x - b and more."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, log_scale: Tensor) -> Tensor:
        wide = widened(x)
        rms, scale = _scales(wide, bias, log_scale)
        ctx.save_for_backward(x, bias, rms, scale)
        return (wide * scale).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, bias, rms, scale = ctx.saved_tensors
        D = x.size(-1)
        wide, dy = widened(x), widened(grad)
        # y = s x with s = exp(g) / r and r^2 = mean (x - b)^2: what reaches s goes on to x and b along x - b.
        along = (dy * wide).sum(dim=-1, keepdim=True) * scale
        k = along / (D * rms.square())
        d_bias = (k * wide).reshape(-1, D).sum(dim=0) - k.sum() * bias
        d_x = (dy * scale).addcmul_(k, bias - wide)
        return d_x.to(x.dtype), d_bias, along.sum()
