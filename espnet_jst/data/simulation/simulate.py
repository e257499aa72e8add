"""Conversations into a data directory: each from its own seed, so that any number of workers gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import soundfile

from espnet_jst.config import json_text, read_json
from espnet_jst.data import kaldi
from espnet_jst.data.checks import NO_VALUE, write_skipped
from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.corpus import (
    SPANS,
    TIMES,
    Corpus,
    Utterance,
    load_corpus,
    read_corpus,
    read_samples,
)
from espnet_jst.data.simulation.plan import Plan, Voice, draw_plan, draw_voices, overlap_ratio, voices_of
from espnet_jst.data.simulation.render import Heard, render
from espnet_jst.data.simulation.rooms import Responses, cached, check_installed, delays_s
from espnet_jst.data.simulation.scenes import Scene, draw_scene
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.jobs.shards import run_shards, split
from espnet_jst.keys import keys_of, read

SHARD = 4  # conversations
ROOM, WORDS, SOUND = 1, 2, 3  # what is drawn, each from a seed of its own
ABOUT = "simulation.json"


@dataclass(frozen=True)
class Summary:
    """What was made: how far it is from what was asked, at worst (and in the median for the reverberation time)."""

    conversations: int
    hours: float
    skipped: int
    rt60_median: float
    rt60_worst: float
    snr_worst_db: float
    overlap_worst: float

    def __str__(self) -> str:
        rt60 = f"RT60 differs from what was asked by {self.rt60_median:.1%} (median), {self.rt60_worst:.1%} (most)"
        return (
            f"{self.conversations} conversations, {self.hours:.2f} hours; {self.skipped} utterances left out\n"
            f"{rt60}; SNR by {self.snr_worst_db:.3f} dB (most); overlap by {self.overlap_worst:.4f} (most)"
        )


def simulate(data_dir: Path, out: Path, conf: SimulationConf, *, num: int, seed: int = 0, nj: int = 1) -> Summary:
    """Write `num` conversations. A second call goes on where the first one stopped.

    Args:
        data_dir: wav.scp, utt2spk, and, where they exist, segments, texts, utt2lang, word times.
        out: gets the data directory (docs/simulation.md says which files).
        nj: workers.

    Raises:
        ConfigError: pyroomacoustics is missing, or `out` holds conversations of other settings.
        DataError: the utterances cannot be used, or no room can be as asked.
    """
    check_installed()
    corpus, problems = read_corpus(data_dir, conf, out / "survey", nj=nj)
    draw_voices(voices_of(corpus), conf.speakers[1], conf.languages, np.random.default_rng(seed))
    draw_scene(conf, conf.speakers[1], np.random.default_rng(seed))
    digest = corpus.save(out / "corpus.json")
    values = {name: getattr(conf, name) for name in keys_of(SimulationConf)}
    about = json.loads(json_text({"seed": seed, "corpus": digest, "conf": values}))
    _check_same(out, about)
    (out / ABOUT).write_text(json_text(about, indent=1) + "\n", encoding="utf-8")
    write_skipped(out, sorted(problems, key=lambda problem: problem.utt_id))
    missing = [index for index in range(num) if not (_record(out, index).is_file() and _audio(out, index).is_file())]
    work = partial(simulate_some, out, digest, json_text(values), seed)
    run_shards(work, split(missing, SHARD), nj=nj, title="conversations")
    return _collect(out, corpus, conf, num, len(problems))


def simulate_some(out: Path, digest: str, conf: str, seed: int, indices: Sequence[int]) -> None:
    """Some conversations, each in a file of its own, and what is known of it in another."""
    corpus, made = load_corpus(out / "corpus.json", digest), read(SimulationConf, json.loads(conf), ABOUT)
    voices = _voices(out / "corpus.json", digest)
    for index in indices:
        entry, heard = simulate_one(made, corpus, voices, out / "rirs", seed, index)
        _write_audio(_audio(out, index), heard.samples, corpus.fs)
        path = _record(out, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{uuid4().hex[:8]}")  # a worker that is taken for lost may still write
        part.write_text(json_text(entry, ensure_ascii=False), encoding="utf-8")
        part.replace(path)


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
            "measured": round(float(np.nanmean(responses.rt60_s[1:count])), 4),
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


def _write_audio(path: Path, samples: np.ndarray, fs: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    soundfile.write(part, samples, fs, format="FLAC", subtype="PCM_16")
    part.replace(path)


def _name(index: int) -> str:
    return f"conversation{index:07d}"


def _audio(out: Path, index: int) -> Path:
    return out / "audio" / f"{_name(index)}.flac"


def _record(out: Path, index: int) -> Path:
    return out / "conversations" / f"{_name(index)}.json"


@lru_cache(maxsize=1)
def _voices(path: Path, digest: str) -> dict[Voice, list[Utterance]]:
    return voices_of(load_corpus(path, digest))


def _check_same(out: Path, about: dict[str, Any]) -> None:
    before = read_json(out / ABOUT)
    if not before or before == about or not (out / "conversations").is_dir():
        return
    differs = [name for name in about if before.get(name) != about[name]]
    keys = [name for name, value in about["conf"].items() if before.get("conf", {}).get(name) != value]
    what = ", ".join([*(name for name in differs if name != "conf"), *keys])
    raise ConfigError(f"{out} holds conversations made with another {what}: give another --output_dir, or remove it")


def _collect(out: Path, corpus: Corpus, conf: SimulationConf, num: int, skipped: int) -> Summary:
    """The files of the data directory, from what is known of each conversation."""
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "utt2spk": {}}
    rooms = []
    turns_part, rooms_part = out / ".turns.jsonl.part", out / ".rooms.jsonl.part"
    with open(turns_part, "w", encoding="utf-8") as turns_file, open(rooms_part, "w", encoding="utf-8") as rooms_file:
        for index in range(num):
            name, entry = _name(index), json.loads(_record(out, index).read_text(encoding="utf-8"))
            tables["wav.scp"][name] = str(_audio(out, index))
            tables["utt2spk"][name] = name
            for label in conf.labels:
                for file, line in said(entry["turns"], label, corpus.text_files).items():
                    tables.setdefault(f"{file}.{label}", {})[name] = line
            turns_file.write(json_text({"conversation": name, "turns": entry["turns"]}, ensure_ascii=False) + "\n")
            rooms_file.write(json_text({"conversation": name, **entry["room"]}) + "\n")
            rooms.append(entry["room"])
    turns_part.replace(out / "turns.jsonl")
    rooms_part.replace(out / "rooms.jsonl")
    kaldi.write_data_dir(out, tables)
    return _summary(rooms, skipped)


def said(turns: Sequence[dict[str, Any]], label: str, files: Sequence[str]) -> dict[str, str]:
    """What a talker says in all turns, by file: texts one after the other, and times of words.

    "-" stands for nothing, and for times where one of the turns has none: their number must be that of the words.
    """
    own = [turn for turn in turns if turn["speaker"] == label]
    lines = {}
    for file in files:
        part = "times" if file in (TIMES, SPANS) else "texts"
        known = [turn[part].get(file, "") for turn in own]
        lines[file] = " ".join(known) if known and (part == "texts" or all(known)) else NO_VALUE
    return lines


def _summary(rooms: Sequence[dict[str, Any]], skipped: int) -> Summary:
    rt60 = [abs(_ratio(room["rt60_s"]) - 1) for room in rooms if room["rt60_s"]["measured"]]
    snr = [abs(room["snr_db"]["measured"] - room["snr_db"]["asked"]) for room in rooms if room["snr_db"]["measured"]]
    overlap = [abs(room["overlap"]["achieved"] - room["overlap"]["asked"]) for room in rooms]
    return Summary(
        conversations=len(rooms),
        hours=sum(room["duration_s"] for room in rooms) / 3600,
        skipped=skipped,
        rt60_median=statistics.median(rt60) if rt60 else float("nan"),
        rt60_worst=max(rt60, default=float("nan")),
        snr_worst_db=max(snr, default=0.0),
        overlap_worst=max(overlap, default=0.0),
    )


def _ratio(pair: dict[str, float]) -> float:
    return pair["measured"] / pair["asked"]
