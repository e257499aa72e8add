"""The gradients that `Balancer` and `Whiten` add, in closed form (arXiv:2310.11230 and its released recipe)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from espnet_jst.encoders.precision import widened

TINY = 1e-10  # standard deviation or RMS of a channel that does not move


def balance(x: Tensor, dim: int, m: tuple[float, float], r: tuple[float, float], grad_scale: float) -> Tensor:
    """`x`, with the gradient of |m - clip(m)| + |log(clip(r) / r)| of each channel on its way back.

    Args:
        x: any shape.
        dim: the dimension of the channels.
        m: lowest and highest mean / standard deviation.
        r: lowest and highest RMS.
        grad_scale: RMS of what is added, relative to the absolute value of the gradient that arrives.
    """
    return _Balance.apply(x, dim % x.ndim, m, r, grad_scale)


def whiten(x: Tensor, groups: int, limit: float, grad_scale: float, tell: Callable[[bool], None]) -> Tensor:
    """`x`, with the gradient of the metric of `Whiten` on its way back where the metric is beyond the limit.

    Args:
        x: (..., D).
        groups: D is cut into so many.
        limit: of the metric.
        grad_scale: norm of what is added, relative to that of the gradient that arrives.
        tell: called on the way back with whether the metric is beyond the limit.
    """
    return _Whiten.apply(x, groups, limit, grad_scale, tell)


def outside(value: Tensor, low: float, high: float) -> Tensor:
    """-1 below, 1 above, else 0."""
    return (value > high).to(value.dtype) - (value < low).to(value.dtype)


class _Balance(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, dim: int, m: tuple[float, float], r: tuple[float, float], grad_scale: float
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.conf = dim, m, r, grad_scale
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (x,), (dim, m_limits, r_limits, grad_scale) = ctx.saved_tensors, ctx.conf
        x, wide = widened(x), widened(grad)
        others = [other for other in range(x.ndim) if other != dim]
        mean = x.mean(dim=others, keepdim=True)
        centred = x - mean
        # PyTorch's own variance takes four times as long on a CPU.
        deviation = torch.linalg.vector_norm(centred, dim=others, keepdim=True) * (x.size(dim) / x.numel()) ** 0.5
        std = deviation.clamp(min=TINY)
        rms = torch.hypot(deviation, mean).clamp(min=TINY)
        m = mean / std
        # The penalty's gradient is linear in z = (x - mean) / std: with the signs o of what is out of its limits, and
        # but for a factor of the channel, o_m (1 - m z) + o_r (m + z) (std / rms)^2.
        o_m, o_r = outside(m, *m_limits), outside(rms, *r_limits) * (std / rms).square()
        level, slope = o_m + o_r * m, o_r - o_m * m
        norm = torch.hypot(level, slope * (deviation / std)).clamp(min=TINY)
        push = centred.mul_(grad_scale * slope / (norm * std)).add_(grad_scale * level / norm)
        return push.mul_(wide.abs()).add_(wide).to(grad.dtype), None, None, None, None


class _Whiten(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, groups: int, limit: float, grad_scale: float, tell: Callable[[bool], None]
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.conf = groups, limit, grad_scale, tell
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (x,), (groups, limit, grad_scale, tell) = ctx.saved_tensors, ctx.conf
        with torch.autocast(x.device.type, enabled=False):
            push, violated = _whitening(x, groups, limit)
        tell(violated)
        if violated:
            wide = widened(grad)
            scale = grad_scale * wide.norm() / push.norm().clamp(min=TINY)
            grad = wide.addcmul(push.view_as(grad), scale).to(grad.dtype)
        return grad, None, None, None, None


def _whitening(x: Tensor, groups: int, limit: float) -> tuple[Tensor, bool]:
    """A multiple of the gradient of the metric, (N, D), and whether the metric is beyond the limit."""
    x = widened(x).reshape(-1, groups, x.size(-1) // groups).transpose(0, 1)  # (G, N, D / G)
    x = x - x.mean(dim=1, keepdim=True)
    variance = x.square().mean().clamp(min=TINY**2)
    cov = x.transpose(1, 2) @ x / (x.size(1) * variance)  # with a mean diagonal of 1: nothing can overflow
    metric = cov.square().sum() / (groups * x.size(2))
    if not metric > limit:
        return x, False
    return (x @ cov - metric * x).transpose(0, 1).flatten(1), True
