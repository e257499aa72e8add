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

from espnet_jst.encoders.zipformer.penalties import balance, outside, whiten
from espnet_jst.encoders.zipformer.schedule import Ramp, value_at

BALANCER_PROB = Ramp((0, 0.5), (8000, 0.125))
RMS_OF_ABS = math.sqrt(math.pi / 2)  # RMS of a normal variable whose mean absolute value is 1
# Times atanh: nearly the inverse error function, which leaves out a factor of sqrt(2), as the released recipe does.
MEAN_OF_FRACTION = 0.8139535


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
        self.limits = min_positive, max_positive, min_abs, max_abs
        self.grad_scale, self.prob = grad_scale, prob

    def forward(self, x: Tensor) -> Tensor:
        """Any shape with channels."""
        if not (self.training and _is_learned(x) and happens(value_at(self.prob, self.batches))):
            return x
        lowest, highest, softest, loudest = (value_at(limit, self.batches) for limit in self.limits)
        m = _mean_of_fraction(lowest), _mean_of_fraction(highest)
        r = RMS_OF_ABS * softest, RMS_OF_ABS * loudest
        return balance(x, self.channels_dim, m, r, self.grad_scale)


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
        """As any shaper. Each epoch looks often at first: a resumed training, which knows no better, is then equal."""
        super().advance(batches)
        if epoch != self.epoch:
            self.violated, self.epoch = True, epoch

    def forward(self, x: Tensor) -> Tensor:
        """(..., D)."""
        if not (self.training and _is_learned(x) and happens(self.probs[self.violated])):
            return x
        limit = value_at(self.limit, self.batches)
        return whiten(x, self.groups, limit, self.grad_scale, self._tell)

    def _tell(self, violated: bool) -> None:
        self.violated = violated


def _is_learned(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad


def _mean_of_fraction(positive: float) -> float:
    """Mean / standard deviation of a normal variable that is positive this often, divided by the square root of 2."""
    if not 0 < positive < 1:
        return math.copysign(math.inf, positive - 0.5)
    return MEAN_OF_FRACTION * math.atanh(2 * positive - 1)


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
        leads_out = outside(x, *ctx.limits) * grad < 0
        return torch.where(leads_out, -grad, grad), None, None
