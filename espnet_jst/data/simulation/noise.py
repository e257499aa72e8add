"""Noise at the microphones: from all sides, or of a source in the room."""

from __future__ import annotations

import numpy as np
from scipy.signal import oaconvolve

from espnet_jst.data.simulation.geometry import coherence

LOWEST_HZ = 50.0  # below, pink noise is white
BLOCK = 4096
BINS = 1 << 16  # at once: a matrix of C x C each
LOAD = 1e-6  # at low frequencies all microphones hear the same


def _size(samples: int) -> int:
    return -(-samples // BLOCK) * BLOCK  # of a Fourier transform, which hates primes


def spectra(channels: int, samples: int, fs: int, colour: str, rng: np.random.Generator) -> np.ndarray:
    """Spectra of independent noises, (C, F), for at least so many samples."""
    count = _size(samples) // 2 + 1
    drawn = rng.standard_normal((2, channels, count))
    frequencies = np.maximum(np.arange(count) * fs / (2 * (count - 1)), LOWEST_HZ)
    return (drawn[0] + 1j * drawn[1]) * (1.0 if colour == "white" else frequencies**-0.5)


def diffuse_noise(microphones: np.ndarray, samples: int, fs: int, colour: str, rng: np.random.Generator) -> np.ndarray:
    """Noise of a spherically isotropic field, (C, samples), by Habets, Cohen and Gannot (JASA 124, 2008).

    Args:
        microphones: (C, 3) in m; the coherence of two at a distance d is sin(x) / x, x = 2 pi f d / c.
    """
    found = spectra(len(microphones), samples, fs, colour, rng)
    hertz = np.arange(found.shape[1]) * fs / (2 * (found.shape[1] - 1))
    for start in range(0, len(hertz), BINS):
        some = slice(start, start + BINS)
        loaded = coherence(microphones, hertz[some]) + LOAD * np.eye(len(microphones))
        found[:, some] = np.einsum("fcd,df->cf", np.linalg.cholesky(loaded), found[:, some])
    return np.fft.irfft(found)[:, :samples]


def point_noise(responses: np.ndarray, samples: int, fs: int, colour: str, rng: np.random.Generator) -> np.ndarray:
    """Noise of one source at every microphone, (C, samples); responses (C, L)."""
    before = responses.shape[1]  # it has sounded for longer than the room does
    [dry] = np.fft.irfft(spectra(1, samples + before, fs, colour, rng))
    return oaconvolve(dry[None, : samples + before], responses, axes=1)[:, before : before + samples]
