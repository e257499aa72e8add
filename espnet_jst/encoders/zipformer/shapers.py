"""What leaves values alone and shapes gradients in training (arXiv:2310.11230 and its released recipe).

All of them return their argument where no gradient is asked for; what they return is not to be changed in place.
Decisions are drawn from torch's generator, so that a seed fixes them and activation checkpointing repeats them; what is
not drawn costs only the draw. Statistics are taken in float32 or wider.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from espnet_jst.encoders.zipformer.precision import widened
from espnet_jst.encoders.zipformer.schedule import Ramp, value_at

BALANCER_PROB = Ramp((0, 0.5), (8000, 0.125))
RMS_OF_ABS = math.sqrt(math.pi / 2)  # RMS of a normal variable whose mean absolute value is 1
MEAN_OF_FRACTION = (
    0.8139535  # times atanh is nearly the inverse error function; the square root of 2 is left out, as released
)
TINY = 1e-10  # standard deviation or RMS of a channel that does not move


def happens(prob: float) -> bool:
    """True with this probability."""
    return prob > 0 and torch.rand(()).item() < prob


def scale_grad(x: Tensor, scale: float) -> Tensor:
    """`x`, whose gradient is multiplied by `scale`."""
    return _ScaleGrad.apply(x, scale) if _is_learned(x) else x


def limit_value(x: Tensor, low: float, high: float, prob: float = 0.6) -> Tensor:
    """`x`, a parameter that training keeps near [low, high]: gradients that would lead it further out change sign.

    Only on a share `prob` of the calls, more than half of them: it then comes back on average, without jumps.
    """
    return _LimitValue.apply(x, low, high) if _is_learned(x) and happens(prob) else x


def penalize_large(x: Tensor, limit: float, weight: float, prob: float = 0.1) -> Tensor:
    """`x`, with `weight` times the sum of |x| over elements beyond `limit` added to the loss, on a share of the calls.

    `weight` is absolute: it suits a loss that is a sum over frames, and is to be divided by what divides that loss.
    """
    return _PenalizeLarge.apply(x, limit, weight) if _is_learned(x) and happens(prob) else x


class Shaper(nn.Module):
    """Base of modules that depend on how far the training is; whoever owns them walks them before a step."""

    batches = 0.0

    def advance(self, batches: float, epoch: int = 0) -> None:
        """Tell how many adjusted batches the training has seen, and in which epoch it is."""
        self.batches = batches


class Balancer(Shaper):
    """Keeps each channel's share of positive values and its mean absolute value within limits.

    The limits are read as of a normal variable: the share limits m = mean / standard deviation, the absolute value
    limits the RMS r. The gradient of |m - clip(m)| + |log(clip(r) / r)|, normalised to an RMS of `grad_scale` in each
    channel, times the absolute value of the gradient that arrives, is added to the latter.

    Args:
        channels_dim: which dimension of the input are the channels.
        min_positive: lowest share of positive values.
        max_positive: highest share.
        min_abs: lowest mean absolute value.
        max_abs: highest.
        grad_scale: strength, relative to the gradient that arrives.
        prob: share of the calls that do anything.
    """

    def __init__(
        self,
        channels_dim: int = -1,
        *,
        min_positive: Ramp | float = 0.05,
        max_positive: Ramp | float = 0.95,
        min_abs: Ramp | float = 0.2,
        max_abs: Ramp | float = 100.0,
        grad_scale: float = 0.04,
        prob: Ramp | float = BALANCER_PROB,
    ) -> None:
        super().__init__()
        self.channels_dim = channels_dim
        self.positive, self.abs = (min_positive, max_positive), (min_abs, max_abs)
        self.grad_scale, self.prob = grad_scale, prob

    def forward(self, x: Tensor) -> Tensor:
        """Any shape with channels."""
        if not (self.training and _is_learned(x) and happens(value_at(self.prob, self.batches))):
            return x
        m = tuple(_mean_of_fraction(value_at(limit, self.batches)) for limit in self.positive)
        r = tuple(RMS_OF_ABS * value_at(limit, self.batches) for limit in self.abs)
        return _Balance.apply(x, self.channels_dim, m, r, self.grad_scale)


class Whiten(Shaper):
    """Keeps the covariance of the channels of a group from having few large directions.

    Of the centred covariance C the metric is mean diag(C C) / (mean diag C)^2, means over all groups; it is 1 where C
    is a multiple of the identity. Beyond the limit its gradient is added, scaled to `grad_scale` times the norm of the
    gradient that arrives.

    Args:
        groups: the channels are cut into so many equal groups.
        limit: the highest metric that is left alone, at least 1.
        prob: share of the calls that do anything, where the last one of them was within the limit and where not.
        grad_scale: strength, relative to the gradient that arrives.
    """

    def __init__(
        self, *, groups: int, limit: Ramp | float, prob: tuple[float, float] = (0.025, 0.25), grad_scale: float = 0.01
    ) -> None:
        super().__init__()
        self.groups, self.limit, self.grad_scale = groups, limit, grad_scale
        self.probs = prob
        self.violated, self.epoch = True, 0

    def advance(self, batches: float, epoch: int = 0) -> None:
        """As any shaper; each epoch looks often at first, so that a resumed training, which knows no better, is equal."""
        super().advance(batches)
        if epoch != self.epoch:
            self.violated, self.epoch = True, epoch

    def forward(self, x: Tensor) -> Tensor:
        """(..., D)."""
        if not (self.training and _is_learned(x) and happens(self.probs[self.violated])):
            return x
        return _Whiten.apply(x, self)


def _is_learned(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad


def _mean_of_fraction(positive: float) -> float:
    """Mean / standard deviation of a normal variable that is positive this often, divided by the square root of 2."""
    if not 0 < positive < 1:
        return math.copysign(math.inf, positive - 0.5)
    return MEAN_OF_FRACTION * math.atanh(2 * positive - 1)


def _outside(value: Tensor, low: float, high: float) -> Tensor:
    """-1 below, 1 above, else 0."""
    return (value > high).to(value.dtype) - (value < low).to(value.dtype)


class _ScaleGrad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.scale, None


class _LimitValue(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limits = low, high
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        # Descent goes against the gradient: a positive one leads a value that is too low further down.
        (x,) = ctx.saved_tensors
        leads_out = _outside(x, *ctx.limits) * grad < 0
        return torch.where(leads_out, -grad, grad), None, None


class _PenalizeLarge(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: float, weight: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.limit, ctx.weight = limit, weight
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return grad + ctx.weight * _outside(x, -ctx.limit, ctx.limit).to(grad.dtype), None, None


class _Balance(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, dim: int, m: tuple[float, float], r: tuple[float, float], grad_scale: float
    ) -> Tensor:
        ctx.save_for_backward(x)
        ctx.conf = dim % x.ndim, m, r, grad_scale
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
        o_m, o_r = _outside(m, *m_limits), _outside(rms, *r_limits) * (std / rms).square()
        level, slope = o_m + o_r * m, o_r - o_m * m
        norm = torch.hypot(level, slope * (deviation / std)).clamp(min=TINY)
        push = centred.mul_(grad_scale * slope / (norm * std)).add_(grad_scale * level / norm)
        return push.mul_(wide.abs()).add_(wide).to(grad.dtype), None, None, None, None


class _Whiten(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, module: Whiten) -> Tensor:
        ctx.save_for_backward(x)
        ctx.module = module
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,), module = ctx.saved_tensors, ctx.module
        with torch.autocast(x.device.type, enabled=False):
            away, violated = _whitening(x, module.groups, value_at(module.limit, module.batches))
        module.violated = violated
        if not violated:
            return grad, None
        wide = widened(grad)
        scale = module.grad_scale * wide.norm() / away.norm().clamp(min=1e-20)
        return wide.addcmul(away.view_as(grad), scale).to(grad.dtype), None


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
