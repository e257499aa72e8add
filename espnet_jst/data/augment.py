"""Changes of a recording that leave its words: speed, level, noise. Drawn from NumPy's global generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from espnet_jst.config import check_keys
from espnet_jst.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is done to training recordings; every range is drawn from uniformly.

    Attributes:
        gain_db: lowest and highest gain in dB; (0, 0) leaves the level.
        noise_snr_db: lowest and highest signal-to-noise ratio of added white noise in dB.
        noise_prob: share of utterances that get noise.
        speed: slowest and fastest speed; the pitch follows.
        speed_prob: share of utterances whose speed is changed.
        equalizer_db: lowest and highest gain of a random, smooth frequency response: other microphones and voices.
        equalizer_prob: share of utterances that are filtered by one.
    """

    gain_db: Sequence[float] = (0.0, 0.0)
    noise_snr_db: Sequence[float] = (20.0, 60.0)
    noise_prob: float = 0.0
    speed: Sequence[float] = (0.9, 1.1)
    speed_prob: float = 0.0
    equalizer_db: Sequence[float] = (-6.0, 6.0)
    equalizer_prob: float = 0.0

    @classmethod
    def parse(cls, conf: Mapping, where: str = "preprocessor_conf") -> Augmentation:
        """Read and check the configuration.

        Raises:
            ConfigError: an unknown key, a range that is not (low, high), a share outside [0, 1].
        """
        check_keys(conf, KEYS, where)
        for key in _EXAMPLES:
            value = conf.get(key, (0.0, 0.0))
            if not isinstance(value, Sequence) or len(value) != 2 or not value[0] <= value[1]:
                raise ConfigError(f"{where}.{key} is {value!r}: give a range such as [{', '.join(_EXAMPLES[key])}]")
        for key in ("noise_prob", "speed_prob", "equalizer_prob"):
            if not 0 <= conf.get(key, 0.0) <= 1:
                raise ConfigError(f"{where}.{key} is {conf[key]!r}: give a share from 0 to 1")
        if "speed" in conf and conf["speed"][0] <= 0:
            raise ConfigError(f"{where}.speed is {conf['speed']!r}: speeds are positive")
        return cls(**conf)

    def __call__(self, speech: np.ndarray) -> np.ndarray:
        """Samples (N,) -> changed samples, (N',)."""
        if self.speed_prob and np.random.random() < self.speed_prob:
            speech = change_speed(speech, _draw(self.speed))
        if self.equalizer_prob and np.random.random() < self.equalizer_prob:
            speech = equalize(speech, np.random.uniform(self.equalizer_db[0], self.equalizer_db[1], EQUALIZER_KNOTS))
        if self.noise_prob and np.random.random() < self.noise_prob:
            speech = add_white_noise(speech, _draw(self.noise_snr_db))
        if tuple(self.gain_db) != (0.0, 0.0):
            speech = speech * np.float32(10 ** (_draw(self.gain_db) / 20))
        return speech.astype(np.float32)


KEYS = tuple(field.name for field in fields(Augmentation))
_EXAMPLES = {"gain_db": ("-18", "0"), "noise_snr_db": ("20", "60"), "speed": ("0.9", "1.1")}
_EXAMPLES["equalizer_db"] = ("-6", "6")
EQUALIZER_KNOTS = 7  # gains are drawn at so many equally spaced frequencies


def _draw(bounds: Sequence[float]) -> float:
    return float(np.random.uniform(bounds[0], bounds[1]))


def change_speed(speech: np.ndarray, factor: float) -> np.ndarray:
    """(N,) -> about N / factor samples: `factor` 1.1 is ten percent faster, and higher."""
    import soxr

    return soxr.resample(speech, factor, 1.0, quality="LQ")


def equalize(speech: np.ndarray, gains_db: np.ndarray) -> np.ndarray:
    """Filter samples (N,) by gains in dB at equally spaced frequencies from 0 to half the sampling rate."""
    size = -(-len(speech) // 1024) * 1024  # a transform of a large prime length takes several times as long
    spectrum = np.fft.rfft(speech, size)
    knots = np.linspace(0, len(spectrum) - 1, len(gains_db))
    curve = np.interp(np.arange(len(spectrum)), knots, gains_db / 20).astype(np.float32)
    return np.fft.irfft(spectrum * np.float32(10) ** curve, size)[: len(speech)].astype(np.float32, copy=False)


def add_white_noise(speech: np.ndarray, snr_db: float) -> np.ndarray:
    """Add Gaussian noise at a signal-to-noise ratio over the whole utterance; silence stays silent."""
    noise_rms = np.sqrt(np.mean(np.square(speech, dtype=np.float64))) * 10 ** (-snr_db / 20)
    # Numbers of the global generator, which ESPnet seeds, are drawn one by one in float64: five times slower.
    generator = np.random.default_rng(np.random.randint(2**32, dtype=np.uint32))
    return speech + np.float32(noise_rms) * generator.standard_normal(speech.shape, dtype=np.float32)
