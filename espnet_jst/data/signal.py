"""What is checked of samples: numbers of a sane size, and a level that is neither lost nor out of scale.

The checks run on the signal that the model gets: after mixing down, or all channels where it takes them; a piece of a
recording as a piece.
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
CONSTANT = 1e-12  # power of a signal against that of its constant part: what rounding leaves
CANCELLED = 0.02  # power of the mean of C channels against a Cth of the mean of their powers: 1 for one that speaks


class Remark(NamedTuple):
    """What makes one doubt a usable signal: reason, fix, and short name of the kind."""

    reason: str
    fix: str
    kind: str


def check_numbers(samples: np.ndarray, name: str) -> float:
    """Refuse samples that are no numbers, or finite and absurd.

    Args:
        samples: floats of any shape, full scale 1.

    Returns:
        The largest absolute sample.

    Raises:
        BadItem: names the number of such samples, or the largest.
    """
    if not samples.size:
        return 0.0
    # NaN is the largest and the smallest of any samples.
    peak = max(float(samples.max()), -float(samples.min()))
    if peak < ABSURD:
        return peak
    fix = "convert it again from its source"
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad:
        raise BadItem(f"{name}: {bad} samples are NaN or infinite", fix, "audio-nan")
    raise BadItem(f"{name}: a sample of {peak:.3g}, full scale is 1", fix, "audio-nan")


def check_channels(name: str, there: int, channels: int) -> None:
    """Refuse a signal of another number of channels than a model takes; a model of one takes the mean of any.

    Raises:
        BadItem: names both numbers.
    """
    if channels > 1 and there != channels:
        raise wrong_channels(name, there, channels)


def wrong_channels(name: str, there: int, channels: int) -> BadItem:
    """What `check_channels` raises."""
    count = "one channel" if there == 1 else f"{there} channels"
    fix = "give what its microphones recorded, a channel each, or use a model of one channel"
    return BadItem(f"{name}: {count}, and the model takes {channels}", fix, "audio-channels")


@dataclass
class Mixer:
    """Mixes blocks of channels down, or leaves them where a model takes them, and keeps account of their levels.

    Attributes:
        name: what messages call the signal.
        channels: of the signal that the model takes: 1, the mean; more, those that it has.
        peak: largest absolute sample of what the model takes.
        samples: number of samples so far.
    """

    name: str
    channels: int = 1
    peak: float = 0.0
    samples: int = 0
    _over: int = 0
    _apart: float = 0.0
    _offsets: np.ndarray = field(default_factory=lambda: np.zeros(1))
    _sums: np.ndarray = field(default_factory=lambda: np.zeros(1))
    _powers: np.ndarray = field(default_factory=lambda: np.zeros(1))

    def mix(self, block: np.ndarray) -> np.ndarray:
        """The next block, float32 (n, C) -> the mean of its channels, (n,), or the block itself.

        Raises:
            BadItem: as `check_numbers` and `check_channels`.
        """
        peak = check_numbers(block, self.name)
        taken, tracks = block[:, 0], block
        if self.channels > 1:
            check_channels(self.name, block.shape[1], self.channels)
            taken = block
            self._apart = max(self._apart, float(np.abs(block[:, 1:] - block[:, :1]).max(initial=0.0)))
        elif block.shape[1] > 1:
            taken = block.mean(axis=1)
            peak, tracks = check_numbers(taken, self.name), np.column_stack([taken, block])
        if peak > 1:
            self._over += int(np.count_nonzero(np.abs(taken.reshape(len(block), -1)).max(axis=1) > 1))
        self.peak = max(self.peak, peak)
        # Of the mean, then of each channel; without the constant part, sums in 32 bits are good enough.
        if not self.samples and len(block):
            self._offsets = tracks.mean(axis=0)
        tracks = tracks - self._offsets
        self._sums = self._sums + tracks.sum(axis=0)
        self._powers = self._powers + np.einsum("nc,nc->c", tracks, tracks)
        self.samples += len(block)
        return taken

    def remarks(self, coding: str = "") -> list[Remark]:
        """What is doubtful about the whole signal.

        Args:
            coding: of the file, as libsndfile names it ("PCM_32").

        Raises:
            BadItem: nothing of the signal is left, or its scale cannot be told.
        """
        means = self._sums / max(1, self.samples)
        powers = self._powers / max(1, self.samples) - np.square(means)
        powers = np.where(powers <= CONSTANT * np.square(self._offsets), 0.0, powers)
        if self.channels > 1:
            power, channels = float(np.max(powers)), []
        else:
            power, *channels = powers
        if channels and power < CANCELLED / len(channels) * np.mean(channels):
            reason = f"{self.name}: the {len(channels)} channels cancel each other when they are mixed down"
            raise BadItem(reason, "take one of them, or turn the polarity of one", "audio-silent")
        if self.peak > SPIKE and self._over < 0.01 * self.samples:
            reason = f"{self.name}: single samples up to {self.peak:.4g}, full scale is 1"
            raise BadItem(reason, "convert it again from its source", "audio-nan")
        if self.peak == 0:
            return [Remark("every sample is zero", "check the recording", "audio-silent")]
        if power == 0:
            return [Remark("every sample is the same", "check the recording", "audio-silent")]
        return [*self._channel_remarks(powers), *self._level_remarks(coding)]

    def _channel_remarks(self, powers: np.ndarray) -> list[Remark]:
        """What several channels of one recording show, by the power of each."""
        if self.channels == 1:
            return []
        if not self._apart:
            reason = f"all {self.channels} channels are the same"
            return [Remark(reason, "give what each microphone recorded: copies have no direction", "audio-copies")]
        silent = [str(number) for number, power in enumerate(powers, start=1) if power == 0]
        if silent:
            reason = f"nothing in channel {', '.join(silent)} of {self.channels}"
            return [Remark(reason, "check the microphone", "audio-channel-silent")]
        return []

    def _level_remarks(self, coding: str) -> list[Remark]:
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
