"""Recordings to units: frames to learn them from, and files of units, on any number of workers."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_jst.config import json_text
from espnet_jst.data import kaldi
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem, write_skipped
from espnet_jst.data.unit_files import write_units
from espnet_jst.errors import DataError
from espnet_jst.inference.audio.recording import Recording, read_audio
from espnet_jst.inference.audio.resample import resample
from espnet_jst.inference.remarks import item_error
from espnet_jst.inputs.unit_features import UnitFeatures, UnitReader, unit_set
from espnet_jst.jobs.shards import run_shards, split
from espnet_jst.progress import progress
from espnet_jst.units.conf import KMeansConf
from espnet_jst.units.kmeans import first_centroids, lloyd
from espnet_jst.units.quality import usage
from espnet_jst.units.unit_set import UnitSet

SHARD = 128  # utterances; the same whatever the number of workers is, so that batches and results are too
BATCH_S = 60.0  # seconds of padded audio at once
Items = Sequence[tuple[str, str]]
"""(utterance, audio file) pairs."""


def learn_units(
    items: Items,
    features: Mapping[str, Any],
    conf: KMeansConf,
    out: Path,
    *,
    hours: float,
    nj: int = 1,
    device: str = "cpu",
) -> UnitSet:
    """Cluster the frames of recordings. A second call goes on where the first one stopped.

    Args:
        features: see `UnitFeatures`.
        out: gets `units.safetensors`, `kmeans.json` (inertia of every pass), and `frames/` while it works.
        hours: of all recordings, about: from it and `max_frames` follows which share of the frames is kept.
        nj: workers.

    Raises:
        DataError: no recording can be used, or there are too few frames.
    """
    made = UnitFeatures(features, trusted=True)
    share = min(1.0, conf.max_frames * made.hop_s / max(hours * 3600, 1e-9))
    work = partial(frames_of_shard, out / "frames", _frozen(features), share, conf.seed, device)
    paths = run_shards(work, split(items, SHARD), nj=nj, title="frames")
    shards = [np.load(path, mmap_mode="r") for path, _ in paths]
    skipped = [problem for _, problems in paths for problem in problems]
    shards = [shard for shard in shards if len(shard)]
    if not shards:
        first = f" (first: {skipped[0]})" if skipped else ""
        raise DataError(f"none of {len(items)} recordings has a frame{first}")
    write_skipped(out, skipped)
    centroids, history = _clustered(shards, conf, out, device)
    units = unit_set(made, centroids)
    units.save(out / "units.safetensors")
    frames = sum(map(len, shards))
    (out / "kmeans.json").write_text(
        json_text({**units.about(), "frames": frames, "share": share, "passes": history}, indent=1) + "\n"
    )
    _remove([path for path, _ in paths])
    (out / "passes.pt").unlink(missing_ok=True)
    return units


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


def extract_units(items: Items, units: Path, out: Path, *, nj: int = 1, device: str = "cpu") -> dict[str, list[int]]:
    """Units of recordings, into `out` (`units`, `units.json`), with what could not be used in `skipped.jsonl`.

    A second call goes on where the first one stopped; any number of workers gives the same files.

    Raises:
        DataError: not one recording could be used.
    """
    digest = UnitSet.load(units).digest
    work = partial(units_of_shard, out / "logdir", units, digest, device)
    paths = run_shards(work, split(items, SHARD), nj=nj, title=f"units of {out.name}")
    table = {key: list(map(int, line.split())) for path, _ in paths for key, line in kaldi.read_table(path).items()}
    skipped = [problem for _, problems in paths for problem in problems]
    if items and not table:
        raise DataError(f"none of {len(items)} recordings could be used; the first: {skipped[0]}")
    about = UnitSet.load(units).about()
    write_units(out / "units", table, {**about, **usage(list(table.values()), about["clusters"])._asdict()})
    write_skipped(out, skipped)
    _remove([path for path, _ in paths])
    return table


def frames_of_shard(
    folder: Path, features: str, share: float, seed: int, device: str, items: Items
) -> tuple[Path, list[Problem]]:
    """Some frames of every recording, drawn by seed and name, into a file of half precision, (N, D)."""
    path = folder / f"{_name(items, features, share, seed)}.npy"
    if path.exists():
        return path, _read_problems(path)
    made, rows = _features(features, device), dict[str, np.ndarray]()

    def batch(keys: Sequence[str], speech: Sequence[np.ndarray]) -> None:
        for key, frames in zip(keys, made(speech), strict=True):
            drawn = np.random.default_rng((seed, zlib.crc32(key.encode()))).random(len(frames)) < share
            rows[key] = frames[torch.from_numpy(drawn)].half().cpu().numpy()

    problems = _each_batch(items, made.fs, batch)
    kept = [rows[key] for key, _ in items if key in rows]
    _write_problems(path, problems)
    with open(path.with_name(f".{path.name}"), "wb") as stream:
        np.save(stream, np.concatenate(kept) if kept else np.zeros((0, 1), dtype=np.float16))
    path.with_name(f".{path.name}").replace(path)
    return path, problems


def units_of_shard(folder: Path, units: Path, digest: str, device: str, items: Items) -> tuple[Path, list[Problem]]:
    """Units of some recordings, into a file of their own."""
    path = folder / f"{_name(items, digest)}.txt"
    if path.exists():
        return path, _read_problems(path)
    reader, table = _reader(units, digest, device), dict[str, str]()

    def batch(keys: Sequence[str], speech: Sequence[np.ndarray]) -> None:
        for key, found in zip(keys, reader(speech), strict=True):
            table[key] = " ".join(map(str, found))

    problems = _each_batch(items, reader.features.fs, batch)
    _write_problems(path, problems)
    kaldi.write_table(path, table)
    return path, problems


def _write_problems(path: Path, problems: Sequence[Problem]) -> None:
    """What a shard left out, beside what it made and before it: a run that goes on lists it as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".skipped").write_text(json_text([asdict(problem) for problem in problems]), encoding="utf-8")


def _read_problems(path: Path) -> list[Problem]:
    return [Problem(**entry) for entry in json.loads(path.with_suffix(".skipped").read_text(encoding="utf-8"))]


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.with_suffix(".skipped").unlink(missing_ok=True)
        path.unlink()


def _each_batch(items: Items, fs: int, work: Callable[[Sequence[str], Sequence[np.ndarray]], None]) -> list[Problem]:
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
    for some in _batches(sorted(heard, key=lambda item: (len(item[1]), item[0])), fs):
        try:
            work([key for key, _ in some], [samples for _, samples in some])
        except DataError:
            for key, samples in some:
                try:
                    work([key], [samples])
                except DataError as error:
                    problems.append(_problem(key, error))
    return problems


def _batches(heard: Sequence[tuple[str, np.ndarray]], fs: int) -> Iterator[list[tuple[str, np.ndarray]]]:
    some: list[tuple[str, np.ndarray]] = []
    for item in heard:  # the shortest first, so that the one that comes is the longest
        if some and (len(some) + 1) * len(item[1]) > BATCH_S * fs:
            yield some
            some = []
        some.append(item)
    if some:
        yield some


def _clustered(
    shards: Sequence[np.ndarray], conf: KMeansConf, out: Path, device: str
) -> tuple[torch.Tensor, list[dict[str, float]]]:
    """Centroids after the last pass, and what each pass found; what is done is kept after every pass."""
    from espnet_jst.weights import atomic_save, safe_load

    kept, history = out / "passes.pt", list[dict[str, float]]()
    asked = f"{conf} {[shard.shape for shard in shards]}"
    state = safe_load(kept) if kept.is_file() else {}
    if state.get("asked") == asked:
        centroids, history = state["centroids"].to(device), state["history"]
    else:
        centroids = first_centroids(shards, conf, device)
    with progress("k-means", conf.iterations) as advance:
        advance(len(history))
        for found in lloyd(shards, centroids, conf, len(history)):
            history.append({"inertia": round(found.inertia, 6), "used": found.used})
            centroids, advanced = (
                found.centroids,
                {"asked": asked, "centroids": found.centroids.cpu(), "history": history},
            )
            atomic_save(partial(torch.save, advanced), kept)
            advance(1)
    return centroids, history


@lru_cache(maxsize=1)
def _features(features: str, device: str) -> UnitFeatures:
    return UnitFeatures(json.loads(features), trusted=True).to(device)


@lru_cache(maxsize=1)
def _reader(units: Path, digest: str, device: str) -> UnitReader:
    return UnitReader(UnitSet.load(units)).to(device)


def _frozen(features: Mapping[str, Any]) -> str:
    return json_text(dict(features), sort_keys=True)


def _name(items: Items, *others: object) -> str:
    """Of what a shard makes: another for other recordings or settings."""
    return hashlib.sha256(repr([*map(tuple, items), *others]).encode()).hexdigest()[:24]


def _problem(key: str, error: Exception) -> Problem:
    if isinstance(error, BadItem):
        return Problem.of(key, error)
    return Problem(key, item_error(error), "correct or remove the recording", "audio")
