"""A conversation as the microphones hear it: every turn through its responses, noise at a ratio, a level."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.signal import oaconvolve

from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.corpus import Utterance
from espnet_jst.data.simulation.noise import diffuse_noise, point_noise
from espnet_jst.data.simulation.plan import Plan
from espnet_jst.data.simulation.rooms import LEAD, Responses
from espnet_jst.data.simulation.scenes import Scene

CEILING = 0.95  # of full scale: no sample is larger
FULL = 32767


class Heard(NamedTuple):
    """What the array records.

    Attributes:
        samples: int16 (N, C).
        snr_db: what was asked for; NaN without noise.
        measured_snr_db: of the samples, rounded as they are: NaN without noise.
        talker_snr_db: of each talker in the own turns, (K,).
        level_db: mean power of the speech in channel 0 against full scale.
    """

    samples: np.ndarray
    snr_db: float
    measured_snr_db: float
    talker_snr_db: list[float]
    level_db: float


def render(
    plan: Plan,
    scene: Scene,
    responses: Responses,
    conf: SimulationConf,
    read: Callable[[Utterance], np.ndarray],
    fs: int,
    rng: np.random.Generator,
) -> Heard:
    """Record a conversation.

    Args:
        read: an utterance -> its samples, float (n,).
    """
    gains = 10 ** (rng.uniform(-conf.spread_db, conf.spread_db, len(scene.talkers)) / 20)
    channels = responses.rirs.shape[1]
    speech = np.zeros((channels, plan.samples))
    alone = np.zeros((len(scene.talkers), plan.samples))  # channel 0
    active = np.zeros((len(scene.talkers), plan.samples), dtype=bool)
    for turn in plan.turns:
        dry = read(turn.utterance).astype(np.float64) * gains[turn.talker] / math.sqrt(turn.utterance.power)
        wet = oaconvolve(dry[None], responses.rirs[turn.talker].astype(np.float64), axes=1)
        begin = turn.start - LEAD
        wet = wet[:, max(0, -begin) : plan.samples - begin]
        place = slice(max(0, begin), max(0, begin) + wet.shape[1])
        speech[:, place] += wet
        alone[turn.talker, place] += wet[0]
        active[turn.talker, turn.start : turn.stop] = True
    power = _power(speech[0], active.any(axis=0))
    snr_db, noise = math.nan, np.zeros_like(speech)
    if conf.noise != "none":
        snr_db = rng.uniform(*conf.snr_db)
        if conf.noise == "diffuse":
            noise = diffuse_noise(scene.microphones, plan.samples, fs, conf.noise_colour, rng)
        else:
            noise = point_noise(responses.rirs[-1].astype(np.float64), plan.samples, fs, conf.noise_colour, rng)
        noise *= math.sqrt(power / _power(noise[0]) / 10 ** (snr_db / 10))
    mixed = speech + noise
    gain = min(math.sqrt(10 ** (conf.level_db / 10) / power), CEILING / float(np.abs(mixed).max()))
    samples = np.round(mixed * gain * FULL).astype(np.int16)
    rest = _power(samples[0] / FULL - gain * speech[0])  # noise as it was written
    ratios = [_decibels(_power(alone[k], active[k]) * gain**2 / rest) for k in range(len(alone))]
    measured = _decibels(power * gain**2 / rest) if conf.noise != "none" else math.nan
    return Heard(np.ascontiguousarray(samples.T), snr_db, measured, ratios, _decibels(power * gain**2))


def _power(signal: np.ndarray, where: np.ndarray | None = None) -> float:
    return float(np.square(signal if where is None else signal[where]).mean())


def _decibels(ratio: float) -> float:
    return 10 * math.log10(ratio) if ratio > 0 else math.nan
