"""Small parts of a Zipformer layer: initial scales, bypasses, changes of the rate, and what shapes gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.encoders.zipformer.dropout import Skip
from espnet_jst.encoders.zipformer.schedule import Ramp
from espnet_jst.encoders.zipformer.shapers import Balancer, Shaper, Whiten, limit_value


@dataclass(frozen=True)
class Shaping:
    """Whether features are balanced and whitened in training."""

    balancers: bool
    whitening: bool

    def balancer(self, channels_dim: int = -1, **limits: float | Ramp) -> nn.Module:
        """See Balancer."""
        return Balancer(channels_dim, **limits) if self.balancers else nn.Identity()  # type: ignore[arg-type]

    def whiten(self, limit: float, ratio: float = 2.0, *, groups: int = 1, grad_scale: float = 0.01) -> nn.Module:
        """See Whiten; the limit grows by `ratio` in 20,000 batches."""
        ramp = Ramp((0.0, limit), (20000.0, ratio * limit))
        return Whiten(groups=groups, limit=ramp, grad_scale=grad_scale) if self.whitening else nn.Identity()


def scaled_linear(inputs: int, outputs: int, scale: float, *, bias: bool = True) -> nn.Linear:
    """A linear layer whose weights begin at `scale` times the usual ones."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        layer.weight.mul_(scale)
        if bias:
            nn.init.uniform_(layer.bias, -0.1 * scale, 0.1 * scale)
    return layer


class Bypass(Shaper):
    """before + (after - before) * scale, a learned scale for each feature.

    Args:
        size: features.
        skip: what is left out in training, a whole layer of some utterances; None for nothing.
    """

    def __init__(self, size: int, skip: Skip | None = None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((size,), 0.5))
        self.skip = skip
        self.least = Ramp((0.0, 0.9), (20000.0, 0.2))

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """(B, T, D) twice -> the same."""
        scale: Tensor = self.scale
        if self.training:
            scale = limit_value(scale, self.least.at(self.batches), 1.0)
            mask = None if self.skip is None else self.skip.mask(before)
            if mask is not None:
                scale = scale * mask
        return torch.lerp(before, after.to(before.dtype), scale.to(before.dtype))


class Downsample(nn.Module):
    """Every `factor` frames -> their weighted mean; a group that is not full repeats the last frame of its row."""

    repeats: Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.logits = nn.Parameter(torch.zeros(factor))
        # repeats[r] @ weights are those of a group of r frames: the last one has what those behind it would have.
        filled = torch.eye(factor).repeat(factor, 1, 1)
        for r in range(1, factor):
            filled[r, r - 1, r:], filled[r, r:] = 1.0, 0.0
        self.register_buffer("repeats", filled, persistent=False)

    def forward(self, x: Tensor, ends: Tensor) -> Tensor:
        """(B, T, D) and where each row ends -> (B, ceil(T / factor), D)."""
        B, T, D = x.shape
        factor = self.factor
        weights = self.logits.softmax(dim=0)
        x = nn.functional.pad(x, (0, 0, 0, -T % factor)).view(B, -1, factor, D)
        # A graph that is exported cannot look at numbers.
        if not torch.compiler.is_exporting() and bool((ends % factor == 0).all()):
            return torch.einsum("bgfd,f->bgd", x, weights.to(x.dtype))
        last = torch.arange(x.size(1), device=x.device) == ends[:, None] // factor
        partial = (self.repeats @ weights)[ends % factor]
        of_groups = torch.where(last[..., None], partial[:, None], weights)
        return torch.einsum("bgfd,bgf->bgd", x, of_groups.to(x.dtype))


def upsample(x: Tensor, factor: int, frames: int) -> Tensor:
    """(B, T, D) -> each frame `factor` times, the first `frames` of them."""
    B, T, D = x.shape
    return x[:, :, None].expand(B, T, factor, D).reshape(B, -1, D)[:, :frames]


def fitted(x: Tensor, size: int) -> Tensor:
    """(B, T, D) with as many features as `size`: the first ones, or zeros behind them."""
    return x[..., :size] if size <= x.size(-1) else nn.functional.pad(x, (0, size - x.size(-1)))
