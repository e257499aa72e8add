"""Conversations into a data directory: each from its own seed, so that any number of workers gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import soundfile

from espnet_jst.config import json_text, read_json
from espnet_jst.data.checks import write_skipped
from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.conversation import simulate_one
from espnet_jst.data.simulation.corpus import Utterance, load_corpus, read_corpus
from espnet_jst.data.simulation.output import Summary, audio_path, collect, record_path
from espnet_jst.data.simulation.plan import Voice, draw_voices, voices_of
from espnet_jst.data.simulation.rooms import check_installed
from espnet_jst.data.simulation.scenes import draw_scene
from espnet_jst.errors import ConfigError
from espnet_jst.jobs.shards import run_shards, split
from espnet_jst.keys import keys_of, read

SHARD = 4  # conversations
ABOUT = "simulation.json"


def simulate(
    data_dir: Path, out: Path, conf: SimulationConf, *, num: int, seed: int = 0, nj: int = 1, prefix: str = ""
) -> Summary:
    """Write `num` conversations. A second call goes on where the first one stopped.

    Args:
        data_dir: wav.scp, utt2spk, and, where they exist, segments, texts, utt2lang, word times.
        out: gets the data directory (docs/simulation.md says which files).
        nj: workers.
        prefix: of the conversations' keys, so that those of several sets differ.

    Raises:
        ConfigError: pyroomacoustics is missing, or `out` holds conversations of other settings.
        DataError: the utterances cannot be used, or no room can be as asked.
    """
    check_installed()
    corpus, problems = read_corpus(data_dir, conf, out / "survey", nj=nj)
    draw_voices(voices_of(corpus), conf.speakers[1], conf.languages, np.random.default_rng(seed))
    draw_scene(conf, conf.speakers[1], np.random.default_rng(seed))
    digest = corpus.digest
    values = {name: getattr(conf, name) for name in keys_of(SimulationConf)}
    about = json.loads(json_text({"seed": seed, "corpus": digest, "conf": values}))
    _check_same(out, about)
    corpus.save(out / "corpus.json")
    (out / ABOUT).write_text(json_text(about, indent=1) + "\n", encoding="utf-8")
    write_skipped(out, sorted(problems, key=lambda problem: problem.utt_id))
    missing = [n for n in range(num) if not (record_path(out, n).is_file() and audio_path(out, n).is_file())]
    work = partial(simulate_some, out, digest, json_text(values), seed)
    run_shards(work, split(missing, SHARD), nj=nj, title="conversations")
    return collect(out, conf.labels, corpus.text_files, num, len(problems), prefix)


def simulate_some(out: Path, digest: str, conf: str, seed: int, indices: Sequence[int]) -> None:
    """Some conversations, each in a file of its own, and what is known of it in another."""
    corpus, made = load_corpus(out / "corpus.json", digest), read(SimulationConf, json.loads(conf), ABOUT)
    voices = _voices(out / "corpus.json", digest)
    for index in indices:
        entry, heard = simulate_one(made, corpus, voices, out / "rirs", seed, index)
        _write_audio(audio_path(out, index), heard.samples, corpus.fs)
        path = record_path(out, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{uuid4().hex[:8]}")  # a worker that is taken for lost may still write
        part.write_text(json_text(entry, ensure_ascii=False), encoding="utf-8")
        part.replace(path)


def _write_audio(path: Path, samples: np.ndarray, fs: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    soundfile.write(part, samples, fs, format="FLAC", subtype="PCM_16")
    part.replace(path)


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
