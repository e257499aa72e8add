"""What is checked of samples: numbers of a sane size, and a level that is neither lost nor out of scale.

The checks run on the signal that the model gets: after mixing down, a piece of a recording as a piece.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from espnet_jst.data.bad_item import BadItem

ABSURD = 2.0**31  # no scale of integers reaches it; features of samples beyond overflow
LOUD = 1.5  # lossy codecs overshoot full scale by a little
SPIKE = 32.0  # full scale is 1; a signal in another scale has many samples beyond it, not single ones
QUIET = 2.0**-8  # 16-bit values in 24 bits, or 24-bit ones in 32
LOST = 2.0**-16  # 16-bit values in 32 bits
CANCELLED = 0.02  # power of the mean of C channels against a Cth of the mean of their powers: 1 for one that speaks


class Remark(NamedTuple):
    """What makes one doubt a usable signal: reason, fix, and short name of the kind."""

    reason: str
    fix: str
    kind: str


def check_numbers(samples: np.ndarray, name: str) -> None:
    """Refuse samples that are no numbers, or finite and absurd.

    Args:
        samples: floats of any shape, full scale 1.
        name: what the message calls them.

    Raises:
        BadItem: names the number of such samples, or the largest.
    """
    # NaN passes through the maximum, so that one pass is enough for good samples.
    if not samples.size or max(float(samples.max()), -float(samples.min())) < ABSURD:
        return
    fix = "convert it again from its source"
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad:
        raise BadItem(f"{name}: {bad} samples are NaN or infinite", fix, "audio-nan")
    raise BadItem(f"{name}: a sample of {np.abs(samples).max():.3g}, full scale is 1", fix, "audio-nan")


@dataclass
class Mixer:
    """Mixes blocks of channels down, and keeps account of their levels.

    Attributes:
        name: what messages call the signal.
        peak: largest absolute sample of the mean.
        samples: number of samples so far.
    """

    name: str
    peak: float = 0.0
    samples: int = 0
    _over: int = 0
    _sums: np.ndarray = field(default_factory=lambda: np.zeros((2, 1)))
    _mono: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def mix(self, block: np.ndarray) -> np.ndarray:
        """The mean of the channels of the next block, float32 (n, C) -> (n,).

        Raises:
            BadItem: as `check_numbers`.
        """
        check_numbers(block, self.name)
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        size = np.abs(mono)
        self.peak = max(self.peak, float(size.max(initial=0.0)))
        self._over += int(np.count_nonzero(size > 1))
        self.samples += len(mono)
        self._mono = self._mono + _sums(mono)
        if block.shape[1] > 1:
            self._sums = self._sums + _sums(block)
        return mono

    def remarks(self, coding: str = "") -> list[Remark]:
        """What is doubtful about the whole signal.

        Args:
            coding: of the file, as libsndfile names it ("PCM_32").

        Raises:
            BadItem: nothing of the signal is left, or its scale cannot be told.
        """
        power, channels = (_power(sums, self.samples) for sums in (self._mono, self._sums))
        if self._sums.shape[1] > 1 and float(power) < CANCELLED / channels.size * float(channels.mean()):
            reason = f"{self.name}: the {self._sums.shape[1]} channels cancel each other when they are mixed down"
            raise BadItem(reason, "take one of them, or turn the polarity of one", "audio-silent")
        if self.peak > SPIKE and self._over < 0.01 * self.samples:
            reason = f"{self.name}: single samples up to {self.peak:.4g}, full scale is 1"
            raise BadItem(reason, "convert it again from its source", "audio-nan")
        if self.peak == 0:
            return [Remark("every sample is zero", "check the recording", "audio-silent")]
        if power == 0:
            return [Remark("every sample is the same", "check the recording", "audio-silent")]
        if self.peak > LOUD:
            reason = f"samples up to {self.peak:.4g}, full scale is 1"
            return [Remark(reason, "divide them by their largest value", "audio-loud")]
        if self.peak <= LOST and coding not in ("PCM_16", "PCM_U8", "PCM_S8"):
            reason = f"{self.name}: no sample beyond {self.peak:.3g}, full scale is 1: 16-bit values in 32 bits?"
            raise BadItem(reason, "write them in the scale of the file", "audio-quiet")
        if self.peak <= QUIET:
            reason = f"no sample beyond {self.peak:.3g}, full scale is 1"
            return [Remark(reason, "check the recording, and the scale in which it was written", "audio-quiet")]
        return []


def _sums(samples: np.ndarray) -> np.ndarray:
    """Sum and sum of squares over time: (2,) of (n,), (2, C) of (n, C)."""
    exact = samples.astype(np.float64)
    return np.stack([exact.sum(axis=0), np.square(exact).sum(axis=0)])


def _power(sums: np.ndarray, count: int) -> np.ndarray:
    """Power without the constant part, which nobody hears."""
    mean = sums / max(1, count)
    power = mean[1] - np.square(mean[0])
    # What remains of a constant by rounding.
    return np.where(power < 1e-9 * mean[1], 0.0, power)
