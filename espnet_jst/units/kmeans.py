"""k-means in plain PyTorch: seeded, on shards that need not fit into memory, on a CPU or a GPU."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.units.conf import KMeansConf

SCORES = 1 << 22  # numbers of a product of frames and centroids at once, 16 MB
PLUS_PLUS_FRAMES = 50_000
Shard = np.ndarray | Tensor


class Pass(NamedTuple):
    """What a pass over all frames found, and made.

    Attributes:
        centroids: the new ones, (K, D).
        inertia: mean squared distance of a frame to the nearest of the centroids before.
        used: how many of those were the nearest of some frame; the others have been put beside large clusters.
    """

    centroids: Tensor
    inertia: float
    used: int


def assign(frames: Tensor, centroids: Tensor) -> Tensor:
    """The nearest centroid of each frame: (N, D) and (K, D) -> (N,) ids; of several as near, the first."""
    return torch.cat(
        [nearest for _, nearest, _ in _nearest(frames, centroids)] or [frames.new_zeros(0, dtype=torch.long)]
    )


def first_centroids(shards: Sequence[Shard], conf: KMeansConf, device: torch.device | str = "cpu") -> Tensor:
    """Where Lloyd's algorithm begins, (K, D), by `conf.init` and `conf.seed`.

    Raises:
        DataError: there are fewer frames than clusters.
    """
    total = sum(len(shard) for shard in shards)
    if total < conf.clusters:
        raise DataError(f"{total} frames cannot make {conf.clusters} clusters: give more speech, or fewer clusters")
    generator = torch.Generator().manual_seed(conf.seed)
    if conf.init == "random":
        return _rows(shards, torch.randperm(total, generator=generator)[: conf.clusters]).to(device)
    some = torch.randperm(total, generator=generator)[: max(PLUS_PLUS_FRAMES, conf.clusters)]
    return _plus_plus(_rows(shards, some).to(device), conf.clusters, generator)


def lloyd(shards: Sequence[Shard], centroids: Tensor, conf: KMeansConf, passes: int = 0) -> Iterator[Pass]:
    """Pass after pass over the frames, until the distances hardly shrink or `conf.iterations` are done.

    Args:
        shards: (N, D) each, of any floating type; read from disk where they are memory maps.
        centroids: (K, D), float32, on the device that computes; a run goes on from those of its last pass.
        passes: how many were done before.
    """
    before = float("inf")
    for _ in range(passes, conf.iterations):
        found = _pass(shards, centroids)
        centroids = found.centroids
        yield found
        if not before - found.inertia > conf.tolerance * found.inertia:
            return
        before = found.inertia


def _pass(shards: Iterable[Shard], centroids: Tensor) -> Pass:
    k, size = centroids.shape
    sums = centroids.new_zeros(k, size, dtype=torch.float64)
    counts = torch.zeros(k, dtype=torch.long, device=centroids.device)
    squares, scores = 0.0, 0.0
    for shard in shards:
        for frames, nearest, best in _nearest(shard, centroids):
            # A sum by sorting is the same every time, on a GPU too, where adding at an index is not.
            order = nearest.argsort(stable=True)
            count = torch.bincount(nearest, minlength=k)
            sums += torch.segment_reduce(frames[order], "sum", lengths=count, initial=0)
            counts += count
            squares += float(frames.square().sum(dtype=torch.float64))
            scores += float(best.sum(dtype=torch.float64))
    total = int(counts.sum())
    new = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centroids.double()).float()
    used = int((counts > 0).sum())
    if used < k:
        _place_beside_large(new, counts)
    return Pass(new, max(0.0, (squares - 2 * scores) / total), used)


def _nearest(shard: Shard, centroids: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Some frames at a time, the nearest centroid of each, and x c - c c / 2, which is largest there."""
    half = -0.5 * centroids.square().sum(1)
    step, turned = max(1, SCORES // len(centroids)), centroids.T
    for start in range(0, len(shard), step):
        part = shard[start : start + step]
        if isinstance(part, np.ndarray):  # a memory map may not be written, which PyTorch warns of
            part = torch.from_numpy(np.array(part, dtype=np.float32))
        frames = part.to(device=centroids.device, dtype=torch.float32)
        best, nearest = torch.addmm(half, frames, turned).max(dim=1)
        yield frames, nearest, best


def _place_beside_large(centroids: Tensor, counts: Tensor) -> None:
    """Split the largest clusters in halves for those that no frame is near; in place."""
    large = [(-count, index) for index, count in enumerate(counts.tolist()) if count]
    heapq.heapify(large)
    for empty in (counts == 0).nonzero()[:, 0].tolist():
        negative, index = heapq.heappop(large)
        nudge = torch.where(torch.arange(centroids.size(1), device=centroids.device) % 2 == 0, 1 / 1024, -1 / 1024)
        centroids[empty] = centroids[index] * (1 + nudge)
        centroids[index] *= 1 - nudge
        heapq.heappush(large, (negative / 2, index))
        heapq.heappush(large, (negative / 2, empty))


def _rows(shards: Sequence[Shard], places: Tensor) -> Tensor:
    """Frames by their places in all shards, (n, D), float32."""
    ends = torch.tensor([len(shard) for shard in shards]).cumsum(0)
    owner = torch.bucketize(places, ends, right=True)
    rows: list[Tensor] = []
    order = places.argsort()  # a memory map is read from its start to its end
    for place, index in zip(places[order].tolist(), owner[order].tolist(), strict=True):
        shard = shards[index]
        rows.append(torch.as_tensor(np.array(shard[place - int(ends[index]) + len(shard)]), dtype=torch.float32))
    found = torch.empty(len(rows), rows[0].numel())
    found[order] = torch.stack(rows)
    return found


def _plus_plus(frames: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next centroid is a frame, drawn by its squared distance to the nearest one so far."""
    chosen = [int(torch.randint(len(frames), (1,), generator=generator))]
    squares = frames.square().sum(1)
    distance = torch.full_like(squares, float("inf"))
    for _ in range(1, k):
        last = frames[chosen[-1]]
        distance = torch.minimum(distance, (squares - 2 * (frames @ last) + last.square().sum()).clamp(min=0))
        sums = distance.double().cumsum(0)
        drawn = torch.rand((), generator=generator, dtype=torch.float64).to(sums.device) * sums[-1]
        chosen.append(min(int(torch.searchsorted(sums, drawn, right=True)), len(frames) - 1))
    return frames[torch.tensor(chosen, device=frames.device)].clone()
