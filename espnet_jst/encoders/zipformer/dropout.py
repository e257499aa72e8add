"""Dropout that the schedules of the Zipformer drive: one mask for all frames, or for all of an utterance."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.encoders.zipformer.schedule import Ramp
from espnet_jst.encoders.zipformer.shapers import Shaper


class ScheduledRate(Shaper):
    """A probability that changes while the training goes on; 0 in evaluation.

    Args:
        ramp: of batches.
    """

    def __init__(self, ramp: Ramp) -> None:
        super().__init__()
        self.ramp = ramp

    @property
    def rate(self) -> float:
        """The probability now."""
        return self.ramp.at(self.batches) if self.training else 0.0


class SharedDropout(ScheduledRate):
    """Dropout of features, the same ones in all frames of an utterance."""

    def mask(self, x: Tensor) -> Tensor | None:
        """What (B, T, D) is multiplied by, (B, 1, D), None for ones; the mean is kept."""
        rate = self.rate
        if rate == 0.0:
            return None
        keep = torch.empty(x.size(0), 1, x.size(2), device=x.device, dtype=x.dtype).bernoulli_(1.0 - rate)
        return keep.div_(1.0 - rate)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D)."""
        mask = self.mask(x)
        return x if mask is None else x * mask


class Skip(ScheduledRate):
    """The output of a module is left out for some utterances; its mean is not kept, as it is none that is left out."""

    def mask(self, x: Tensor) -> Tensor | None:
        """(B, 1, ...) of zeros and ones for (B, ...), None for only ones."""
        rate = self.rate
        if rate == 0.0:
            return None
        return torch.empty(x.size(0), *[1] * (x.dim() - 1), device=x.device, dtype=x.dtype).bernoulli_(1.0 - rate)

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...)."""
        mask = self.mask(x)
        return x if mask is None else x * mask
