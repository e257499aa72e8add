"""Changes of a recording that leave its words: speed, level, noise. Drawn from NumPy's global generator.

All channels of a recording are changed alike, so that directions stay; noise is each microphone's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espnet_jst.data.conf import PreprocessorConf

EQUALIZER_KNOTS = 7  # gains are drawn at so many equally spaced frequencies


def augment(speech: np.ndarray, conf: PreprocessorConf) -> np.ndarray:
    """Samples (N,), or (N, C) of several channels -> changed samples, (N',) or (N', C)."""
    if conf.speed_prob and np.random.random() < conf.speed_prob:
        speech = change_speed(speech, _draw(conf.speed))
    if conf.equalizer_prob and np.random.random() < conf.equalizer_prob:
        speech = equalize(speech, np.random.uniform(conf.equalizer_db[0], conf.equalizer_db[1], EQUALIZER_KNOTS))
    if conf.noise_prob and np.random.random() < conf.noise_prob:
        speech = add_white_noise(speech, _draw(conf.noise_snr_db))
    if conf.gain_db != (0.0, 0.0):
        speech = speech * np.float32(10 ** (_draw(conf.gain_db) / 20))
    return speech.astype(np.float32)


def _draw(bounds: Sequence[float]) -> float:
    return float(np.random.uniform(bounds[0], bounds[1]))


def change_speed(speech: np.ndarray, factor: float) -> np.ndarray:
    """(N,) or (N, C) -> about N / factor samples: `factor` 1.1 is ten percent faster, and higher."""
    import soxr

    return soxr.resample(speech, factor, 1.0, quality="LQ")


def equalize(speech: np.ndarray, gains_db: np.ndarray) -> np.ndarray:
    """Filter samples (N,) or (N, C) by gains in dB at equally spaced frequencies from 0 to half the sampling rate."""
    size = -(-len(speech) // 1024) * 1024  # a transform of a large prime length takes several times as long
    spectrum = np.fft.rfft(speech, size, axis=0)
    knots = np.linspace(0, len(spectrum) - 1, len(gains_db))
    curve = np.interp(np.arange(len(spectrum)), knots, gains_db / 20).astype(np.float32)
    curve = curve.reshape(-1, *[1] * (speech.ndim - 1))
    return np.fft.irfft(spectrum * np.float32(10) ** curve, size, axis=0)[: len(speech)].astype(np.float32, copy=False)


def noise_level(speech: np.ndarray, snr_db: float) -> float:
    """Root mean square of noise at a signal-to-noise ratio over the whole utterance and all channels."""
    return float(np.sqrt(np.mean(np.square(speech, dtype=np.float64))) * 10 ** (-snr_db / 20))


def add_white_noise(speech: np.ndarray, snr_db: float) -> np.ndarray:
    """Add Gaussian noise at a signal-to-noise ratio over the whole utterance and all channels; silence stays silent."""
    return speech + white_noise(speech.shape, noise_level(speech, snr_db))


def white_noise(shape: Sequence[int], rms: float) -> np.ndarray:
    """Gaussian noise of a root mean square, float32."""
    # Numbers of the global generator, which ESPnet seeds, are drawn one by one in float64: five times slower.
    generator = np.random.default_rng(np.random.randint(2**32, dtype=np.uint32))
    return np.float32(rms) * generator.standard_normal(shape, dtype=np.float32)
