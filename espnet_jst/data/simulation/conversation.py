"""One conversation: drawn, recorded, and described."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.corpus import Corpus, Utterance, read_samples
from espnet_jst.data.simulation.plan import Plan, Voice, draw_plan, overlap_ratio
from espnet_jst.data.simulation.render import Heard, render
from espnet_jst.data.simulation.rooms import Responses, cached, delays_s
from espnet_jst.data.simulation.scenes import Scene, draw_scene
from espnet_jst.errors import DataError

ROOM, WORDS, SOUND = 1, 2, 3  # what is drawn, each from a seed of its own


def simulate_one(
    conf: SimulationConf,
    corpus: Corpus,
    voices: dict[Voice, list[Utterance]],
    rirs: Path,
    seed: int,
    index: int,
) -> tuple[dict[str, Any], Heard]:
    """The conversation of an index: what is known of it, and its samples.

    Raises:
        DataError: an utterance changed since it was surveyed.
    """
    number = index % conf.rooms
    # The number of talkers is the room's: it has a place for each.
    rng = np.random.default_rng((seed, ROOM, number))
    talkers = int(rng.integers(*conf.speakers, endpoint=True))
    scene = draw_scene(conf, talkers, rng)
    responses = cached(rirs, scene, corpus.fs, conf.max_order)
    plan = draw_plan(conf, voices, talkers, corpus.fs, np.random.default_rng((seed, WORDS, index)))
    heard = render(plan, scene, responses, conf, _samples, corpus.fs, np.random.default_rng((seed, SOUND, index)))
    direct = delays_s(scene)[:, 0]
    turns = _turns(plan, conf.labels, direct, corpus.fs)
    return {"turns": turns, "room": _room(number, scene, responses, plan, heard, corpus.fs)}, heard


def _samples(utterance: Utterance) -> np.ndarray:
    samples, _ = read_samples(utterance.item)
    if len(samples) != utterance.samples:
        reason = f"{utterance}: {len(samples)} samples, and {utterance.samples} when it was surveyed"
        raise DataError(f"{reason}; its file was changed: give a new --output_dir")
    return samples


def _turns(plan: Plan, labels: Sequence[str], direct: np.ndarray, fs: int) -> list[dict[str, Any]]:
    """The turns as they are written; times of words are those at which channel 0 hears them."""
    return [
        {
            "speaker": labels[turn.talker],
            "utterance": turn.utterance.item.utt_id,
            "original_speaker": turn.utterance.speaker,
            "language": turn.utterance.language,
            "start_s": round(turn.start / fs, 6),
            "end_s": round(turn.stop / fs, 6),
            "delay_s": round(float(direct[turn.talker]), 7),
            "texts": turn.utterance.texts,
            "alignment": turn.utterance.links,
            "times": {
                name: shifted(line, turn.start / fs + float(direct[turn.talker]))
                for name, line in turn.utterance.times.items()
            },
        }
        for turn in plan.turns
    ]


def shifted(line: str, by_s: float) -> str:
    """Times "0.31 0.70", or spans "0.10:0.31", so many seconds later."""
    return " ".join(":".join(f"{float(time) + by_s:.3f}" for time in word.split(":")) for word in line.split())


def _room(number: int, scene: Scene, responses: Responses, plan: Plan, heard: Heard, fs: int) -> dict[str, Any]:
    """Sizes, places, and what was asked for and measured."""
    count = len(scene.talkers)
    return {
        "room": number,
        "size_m": _rounded(scene.size),
        "head_m": _rounded(scene.head),
        "yaw_deg": round(float(np.degrees(scene.yaw)), 3),
        "microphones_m": _rounded(scene.microphones),
        "talkers_m": _rounded(scene.talkers),
        "noise_m": _rounded(scene.noise),
        "delays_s": np.round(delays_s(scene)[:count], 7).tolist(),
        "absorption": round(responses.absorption, 6),
        "order": responses.order,
        "rt60_s": {
            "asked": round(scene.rt60_s, 4),
            # Near the own mouth the decay starts far below the direct sound: the others tell more.
            "measured": round(_mean(responses.rt60_s[1:count]), 4),
        },
        "snr_db": {
            "asked": round(heard.snr_db, 3),
            "measured": round(heard.measured_snr_db, 3),
            "by_talker": [round(ratio, 3) for ratio in heard.talker_snr_db],
        },
        "level_db": round(heard.level_db, 3),
        "overlap": {"asked": round(plan.overlap, 5), "achieved": round(overlap_ratio(plan.spans), 5)},
        "duration_s": round(plan.samples / fs, 6),
    }


def _rounded(values: np.ndarray) -> list:
    return np.round(values, 4).tolist()


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
