"""The frontend `beam_bank` in float64, one frame, frequency and beam after the other (arXiv:2412.15415)."""

from __future__ import annotations

import numpy as np

SPEED = 343.0


def steered(places_mm, azimuth_deg, mouth_mm, hertz):
    """What each microphone hears, against the first: a plane wave, or (azimuth None) a point at the mouth; (C,)."""
    heard = []
    for place in np.asarray(places_mm, dtype=float) / 1000:
        if azimuth_deg is None:
            way = np.linalg.norm(place - np.asarray(mouth_mm) / 1000)
            level = 1 / way
        else:
            to = np.array([np.sin(np.deg2rad(azimuth_deg)), 0.0, np.cos(np.deg2rad(azimuth_deg))])
            way, level = -place @ to, 1.0  # nearer to the source is earlier
        heard.append(level * np.exp(-2j * np.pi * hertz * way / SPEED))
    return np.array(heard) / heard[0]


def mvdr(look, places_mm, hertz, loading):
    """The weights that pass `look` (C,) as it is, and the least of a diffuse field and white noise, (C,)."""
    places = np.asarray(places_mm, dtype=float) / 1000
    field = np.eye(len(places)) * loading
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            x = 2 * np.pi * hertz * np.linalg.norm(a - b) / SPEED
            field[i, j] += 1.0 if x == 0 else np.sin(x) / x
    whitened = np.linalg.inv(field) @ look
    return whitened / (look.conj() @ whitened)


def log_mel(samples, weights, window, hop, n_fft, bank, floor):
    """Samples (N, C), weights (K, F, C), window (W,), bank (F, M) -> log-mel energies of each beam, (T, K, M)."""
    frames = []
    for start in range(0, len(samples) - len(window) + 1, hop):
        spectra = [np.fft.rfft(channel * window, n_fft) for channel in samples[start : start + len(window)].T]
        beams = []
        for beam in weights:
            heard = sum(beam[:, c].conj() * spectrum for c, spectrum in enumerate(spectra))
            beams.append(np.log(np.maximum(np.abs(heard) ** 2 / window.sum() ** 2 @ bank, floor)))
        frames.append(beams)
    return np.array(frames)
