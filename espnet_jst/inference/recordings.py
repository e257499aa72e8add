"""Recordings of a list, a shard at a time: read, put into batches of about one length, and what fails is listed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np

from espnet_jst.config import json_text
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.errors import DataError
from espnet_jst.inference.audio.recording import Recording, read_audio
from espnet_jst.inference.audio.resample import resample
from espnet_jst.inference.remarks import item_error
from espnet_jst.inputs.unit_features import UnitFeatures

SHARD = 128  # utterances; the same whatever the number of workers is, so that batches and results are too
BATCH_S = 60.0  # seconds of padded audio at once
Items = Sequence[tuple[str, str]]
"""(utterance, audio file) pairs."""


def hours_of(items: Items) -> float:
    """Hours of recordings, by their headers; those that cannot be read count for nothing."""
    seconds = 0.0
    for _, path in items:
        try:
            with Recording(path) as recording:
                seconds += recording.duration_s or 0.0
        except DataError:
            continue
    return seconds / 3600


@lru_cache(maxsize=1)
def features_of(features: str, device: str) -> UnitFeatures:
    """Features that a worker needs for shard after shard, from their JSON."""
    return UnitFeatures(json.loads(features), trusted=True).to(device)


def each_batch(items: Items, fs: int, work: Callable[[Sequence[str], Sequence[np.ndarray]], None]) -> list[Problem]:
    """Recordings of about the same length together; one that fails in a batch is tried alone."""
    problems: list[Problem] = []
    heard: list[tuple[str, np.ndarray]] = []
    for key, file in items:
        try:
            samples, rate = read_audio(file)
            samples = resample(samples, rate, fs) if rate != fs else samples
            if not len(samples):
                raise DataError("the audio is empty")
            heard.append((key, samples))
        except Exception as error:  # one file must not end the others
            problems.append(_problem(key, error))
    for some in batches(sorted(heard, key=lambda item: (len(item[1]), item[0])), fs):
        try:
            work([key for key, _ in some], [samples for _, samples in some])
        except DataError:
            for key, samples in some:
                try:
                    work([key], [samples])
                except DataError as error:
                    problems.append(_problem(key, error))
    return problems


def batches(heard: Sequence[tuple[str, np.ndarray]], fs: int) -> Iterator[list[tuple[str, np.ndarray]]]:
    some: list[tuple[str, np.ndarray]] = []
    for item in heard:  # the shortest first, so that the one that comes is the longest
        if some and (len(some) + 1) * len(item[1]) > BATCH_S * fs:
            yield some
            some = []
        some.append(item)
    if some:
        yield some


def write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """What a shard left out, beside what it made and before it: a run that goes on lists it as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".skipped").write_text(json_text([asdict(problem) for problem in problems]), encoding="utf-8")


def read_problems(path: Path) -> list[Problem]:
    return [Problem(**entry) for entry in json.loads(path.with_suffix(".skipped").read_text(encoding="utf-8"))]


def shard_name(items: Items, *others: object) -> str:
    """Of what a shard makes: another for other recordings or settings."""
    return hashlib.sha256(repr([*map(tuple, items), *others]).encode()).hexdigest()[:24]


def _problem(key: str, error: Exception) -> Problem:
    if isinstance(error, BadItem):
        return Problem.of(key, error)
    return Problem(key, item_error(error), "correct or remove the recording", "audio")
