"""Frames of a frontend that nothing trains, computed once: a file an utterance, on any number of workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from espnet_jst.config import json_text
from espnet_jst.data import kaldi
from espnet_jst.data.checks import Problem, write_skipped
from espnet_jst.data.names import file_name
from espnet_jst.errors import DataError
from espnet_jst.inference.recordings import (
    SHARD,
    Items,
    each_batch,
    features_of,
    read_problems,
    shard_name,
    write_problems,
)
from espnet_jst.jobs.shards import run_shards, split

TABLE = "frames.scp"


def dump_frames(items: Items, features: Mapping[str, Any], out: Path, *, nj: int = 1, device: str = "cpu") -> int:
    """Write the frames of recordings in half precision, and `frames.scp`, which ESPnet reads as the type npy.

    A second call goes on where the first one stopped; what could not be used is in `skipped.jsonl`.

    Args:
        features: `frontend` and `frontend_conf`.

    Returns:
        Utterances that have frames.

    Raises:
        DataError: not one recording could be used.
    """
    work = partial(frames_of_shard, out / "logdir", out / "data", json_text(dict(features), sort_keys=True), device)
    found = run_shards(work, split(items, SHARD), nj=nj, title=f"frames of {out.parent.name}")
    table = {key: path for done, _ in found for key, path in kaldi.read_table(done).items()}
    skipped = [problem for _, problems in found for problem in problems]
    if items and not table:
        raise DataError(f"none of {len(items)} recordings could be used; the first: {skipped[0]}")
    kaldi.write_table(out / TABLE, table)
    write_skipped(out, skipped)
    return len(table)


def frames_of_shard(log: Path, folder: Path, features: str, device: str, items: Items) -> tuple[Path, list[Problem]]:
    """Frames of some recordings; the table of the shard comes last: where it is, all its files are."""
    name = shard_name(items, features)
    path = log / f"{name}.scp"
    if path.exists():
        return path, read_problems(path)
    made, table = features_of(features, device), dict[str, str]()
    (folder / name).mkdir(parents=True, exist_ok=True)

    def batch(keys: Sequence[str], speech: Sequence[np.ndarray]) -> None:
        for key, frames in zip(keys, made(speech), strict=True):
            target = folder / name / f"{file_name(key)}.npy"
            np.save(target, frames.half().cpu().numpy())
            table[key] = target.as_posix()

    problems = each_batch(items, made.fs, batch)
    write_problems(path, problems)
    kaldi.write_table(path, table)
    return path, problems
