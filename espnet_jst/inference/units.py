"""Recordings to units: frames to learn them from, and files of units, on any number of workers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_jst.config import json_text
from espnet_jst.data import kaldi
from espnet_jst.data.checks import Problem, write_skipped
from espnet_jst.data.unit_files import write_units
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
from espnet_jst.inputs.unit_features import UnitFeatures, UnitReader, unit_set
from espnet_jst.jobs.shards import run_shards, split
from espnet_jst.progress import progress
from espnet_jst.units.conf import KMeansConf
from espnet_jst.units.kmeans import first_centroids, lloyd
from espnet_jst.units.quality import usage
from espnet_jst.units.unit_set import UnitSet

SPREAD = 3  # so many times as many recordings as are needed are read, and of each a third of its frames kept


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
    heard = min(1.0, SPREAD * share)  # of much speech, most recordings need not be read at all
    items = [item for item in items if _drawn(conf.seed, f"recording {item[0]}").random() < heard] or items
    share /= heard
    work = partial(frames_of_shard, out / "frames", json_text(dict(features), sort_keys=True), share, conf.seed, device)
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
    path = folder / f"{shard_name(items, features, share, seed)}.npy"
    if path.exists():
        return path, read_problems(path)
    made, rows = features_of(features, device), dict[str, np.ndarray]()

    def batch(keys: Sequence[str], speech: Sequence[np.ndarray]) -> None:
        for key, frames in zip(keys, made(speech), strict=True):
            drawn = _drawn(seed, key).random(len(frames)) < share
            rows[key] = frames[torch.from_numpy(drawn)].half().cpu().numpy()

    problems = each_batch(items, made.fs, batch)
    kept = [rows[key] for key, _ in items if key in rows]
    write_problems(path, problems)
    with open(path.with_name(f".{path.name}"), "wb") as stream:
        np.save(stream, np.concatenate(kept) if kept else np.zeros((0, 1), dtype=np.float16))
    path.with_name(f".{path.name}").replace(path)
    return path, problems


def units_of_shard(folder: Path, units: Path, digest: str, device: str, items: Items) -> tuple[Path, list[Problem]]:
    """Units of some recordings, into a file of their own."""
    path = folder / f"{shard_name(items, digest)}.txt"
    if path.exists():
        return path, read_problems(path)
    reader, table = _reader(units, digest, device), dict[str, str]()

    def batch(keys: Sequence[str], speech: Sequence[np.ndarray]) -> None:
        for key, found in zip(keys, reader(speech), strict=True):
            table[key] = " ".join(map(str, found))

    problems = each_batch(items, reader.features.fs, batch)
    write_problems(path, problems)
    kaldi.write_table(path, table)
    return path, problems


def _drawn(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng((seed, zlib.crc32(name.encode())))


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.with_suffix(".skipped").unlink(missing_ok=True)
        path.unlink()


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
def _reader(units: Path, digest: str, device: str) -> UnitReader:
    return UnitReader(UnitSet.load(units)).to(device)
