"""Weights of fixed beams: by the places of the microphones alone, in free field, nothing of it is learned.

They stand in for JSTAR's (arXiv:2412.15415), which are of the kind "NLCMV", whose design is not public as code. Those
here are the textbook's: MVDR against a spherically isotropic field ("superdirective"), and LCMV with a null on the
wearer's mouth. The shadow of the head is not in them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from espnet_jst.data.simulation.arrays import MOUTH, SPEED
from espnet_jst.data.simulation.geometry import coherence
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.beams.conf import BeamBankConf

MOST_LOADING = 1e4  # there a beam is what adds the microphones in phase, and its white noise gain the largest
TOLERANCE = 1e-3  # of a response that is to be 1 or 0: where two directions are one, rounding decides
STEPS = 30  # of the search for the loading: halves of its logarithm


class Beam(NamedTuple):
    """Where a beam looks: an angle from forward to the left, level with the array, far away; or None, the mouth."""

    azimuth_deg: float | None

    @property
    def name(self) -> str:
        """For pictures: "30°", "mouth"."""
        return "mouth" if self.azimuth_deg is None else f"{self.azimuth_deg:g}°"


def beams_of(conf: BeamBankConf) -> list[Beam]:
    """The beams of a configuration, in the order in which the merging network has them."""
    beams = [Beam(360.0 * number / conf.azimuths) for number in range(conf.azimuths)] + [Beam(None)] * conf.mouth
    beams = [beams[number] for number in conf.beams] if conf.beams else beams
    if conf.order == "reversed":
        return beams[::-1]
    half = len(beams) // 2 if conf.order == "rotated" else 0
    return beams[half:] + beams[:half]


def frequencies(conf: BeamBankConf) -> np.ndarray:
    """Of the spectrum, (n_fft / 2 + 1,), in Hz."""
    return np.arange(conf.n_fft // 2 + 1) * conf.fs / conf.n_fft


def steering(places_mm: np.ndarray, beam: Beam, hertz: np.ndarray) -> np.ndarray:
    """What every microphone hears of a source where the beam looks, against the first one, (F, C).

    Of a mouth the levels differ as well: they fall with the distance.

    Args:
        places_mm: (C, 3): left, up, forward.
        hertz: (F,).
    """
    places = places_mm / 1000
    if beam.azimuth_deg is None:
        distances = np.linalg.norm(places - np.array(MOUTH) / 1000, axis=1)
        levels = distances[0] / np.maximum(distances, 1e-3)
    else:
        angle = np.deg2rad(beam.azimuth_deg)
        distances = -places @ np.array([np.sin(angle), 0.0, np.cos(angle)])
        levels = np.ones(len(places))
    delays_s = (distances - distances[0]) / SPEED
    return levels * np.exp(-2j * np.pi * hertz[:, None] * delays_s)


def design(conf: BeamBankConf) -> np.ndarray:
    """The weights of every beam, (K, F, C), complex: what it hears is the sum of their conjugates times the spectra.

    Raises:
        ConfigError: the places of the microphones leave no beam, such as two that are one.
    """
    places, hertz, beams = np.array(conf.microphones), frequencies(conf), beams_of(conf)
    field = coherence(places / 1000, hertz)
    mouth = steering(places, Beam(None), hertz)
    weights = []
    for beam in beams:
        looks = [steering(places, beam, hertz)]
        looks += [mouth] if conf.kind == "lcmv" and beam.azimuth_deg is not None else []
        weights.append(_constrained(field, np.stack(looks, axis=2), conf))
    return np.stack(weights)


def _constrained(field: np.ndarray, looks: np.ndarray, conf: BeamBankConf) -> np.ndarray:
    """The weights (F, C) with the least of a field (F, C, C) that pass the first of `looks` (F, C, N) as it is, and
    nothing of the others; the field is loaded until white noise is as weak as is asked for.
    """
    wanted = 10 ** (conf.white_noise_gain_db / 10)
    low = np.full(len(field), np.log(conf.loading))
    high = np.full(len(field), np.log(MOST_LOADING))
    enough = white_noise_gain(_solved(field, looks, np.exp(low))) >= wanted
    high = np.where(enough, low, high)
    for _ in range(STEPS):
        middle = (low + high) / 2
        enough = white_noise_gain(_solved(field, looks, np.exp(middle))) >= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    weights = _solved(field, looks, np.exp(high))
    kept = np.einsum("fcn,fc->fn", looks.conj(), weights) - np.eye(looks.shape[2])[0]
    if not np.abs(kept).max() < TOLERANCE:  # not a number is no less
        raise ConfigError(
            f"microphones_mm: places of which no {conf.kind} beams can be made: put the microphones apart, or choose "
            "another kind"
        )
    return weights


def _solved(field: np.ndarray, looks: np.ndarray, loading: np.ndarray) -> np.ndarray:
    """R^-1 D (D^H R^-1 D)^-1 (1, 0, ...), where R is the loaded field and D has the directions as columns."""
    loaded = field + loading[:, None, None] * np.eye(field.shape[1])
    whitened = np.linalg.solve(loaded, looks)
    gains = looks.conj().transpose(0, 2, 1) @ whitened
    first = np.broadcast_to(np.eye(looks.shape[2])[:, :1], (len(field), looks.shape[2], 1))
    try:
        return (whitened @ np.linalg.solve(gains, first))[:, :, 0]
    except np.linalg.LinAlgError:  # two directions are one at some frequency
        return np.full(looks.shape[:2], np.nan, dtype=complex)


def white_noise_gain(weights: np.ndarray) -> np.ndarray:
    """How much stronger than at the first microphone the direction is against noise of the microphones' own: weights
    (..., C) -> ratio of powers (...).
    """
    return 1 / np.maximum((np.abs(weights) ** 2).sum(-1), 1e-30)


def directivity(weights: np.ndarray, field: np.ndarray) -> np.ndarray:
    """How much stronger the direction is against a diffuse field: weights (F, C), field (F, C, C) -> ratio (F,)."""
    return 1 / np.einsum("fc,fcd,fd->f", weights.conj(), field, weights).real


def pattern(weights: np.ndarray, places_mm: np.ndarray, hertz: np.ndarray, azimuths_deg: np.ndarray) -> np.ndarray:
    """What beams hear of sources all around, far away: weights (K, F, C) -> magnitudes (K, F, A)."""
    heard = np.stack([steering(places_mm, Beam(float(angle)), hertz) for angle in azimuths_deg], axis=1)
    return np.abs(np.einsum("kfc,fac->kfa", weights.conj(), heard))
