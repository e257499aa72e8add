"""What a microphone, a telephone or a room does to a recording, to see what a model bears."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from espnet_jst.data.augment import change_speed, noise_level
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key

QUIETEST = 1e-8  # peak of what counts as silence, which no level makes louder


@dataclass(frozen=True, kw_only=True)
class Disturbance(Conf):
    """Changes of a recording, in this order."""

    speed: float = key(1.0, "factor of the speed, with the pitch: 1.1 is ten percent faster", low=0.5, high=2.0)
    band_hz: tuple[float, float] | None = key(
        None, "lowest and highest frequency that are left: [300, 3400] is a telephone's", low=0, high=100_000
    )
    noise_snr_db: float | None = key(None, "signal-to-noise ratio of white noise over the whole", low=-40, high=100)
    level_db: float | None = key(None, "largest sample against full scale, in dB", low=-100, high=0)
    offset: float = key(0.0, "added to every sample: a microphone's direct current", low=-1, high=1)

    def check(self) -> None:
        """Refuse a band without width."""
        if self.band_hz is not None and not self.band_hz[0] < self.band_hz[1]:
            raise ConfigError(f"band_hz is {list(self.band_hz)}: the first frequency must be the lower one")

    def apply(self, samples: np.ndarray, fs: int, name: str) -> np.ndarray:
        """Samples (N, C) -> (N', C), clipped at full scale; of an utterance's name the noise is always the same."""
        if self.speed != 1.0:
            samples = change_speed(samples, self.speed)
        if self.band_hz is not None:
            samples = _band(samples, fs, *self.band_hz)
        if self.noise_snr_db is not None:
            noise = np.random.default_rng(crc32(name.encode())).standard_normal(samples.shape)
            samples = samples + noise * noise_level(samples, self.noise_snr_db)
        peak = float(np.abs(samples).max(initial=0.0))
        if self.level_db is not None and peak > QUIETEST:
            samples = samples * (10 ** (self.level_db / 20) / peak)
        return np.clip(samples + self.offset, -1.0, 1.0).astype(np.float32)


def _band(samples: np.ndarray, fs: int, low_hz: float, high_hz: float) -> np.ndarray:
    """(N, C) with nothing outside of a band, whose edges fall over a tenth of an octave."""
    spectrum = np.fft.rfft(samples, axis=0)
    octaves = np.log2(np.fft.rfftfreq(len(samples), 1 / fs).clip(min=1e-6))
    inside = np.minimum(octaves - np.log2(max(low_hz, 1e-6)), np.log2(high_hz) - octaves)
    return np.fft.irfft(spectrum * (1 + inside / 0.1).clip(0.0, 1.0)[:, None], len(samples), axis=0)
