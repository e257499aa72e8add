"""k-means: what it finds, and that a seed, a type and the cuts into shards change nothing that they should not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.keys import read
from espnet_jst.units import kmeans
from espnet_jst.units.conf import KMeansConf
from espnet_jst.units.kmeans import assign, first_centroids, lloyd


def blobs(k: int, each: int, size: int = 8, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Frames around k points far from each other, and the point of each."""
    generator = torch.Generator().manual_seed(seed)
    middles = 20 * torch.randn(k, size, generator=generator)
    owner = torch.arange(k).repeat_interleave(each)
    return middles[owner] + 0.1 * torch.randn(k * each, size, generator=generator), owner


def fitted(shards: list, conf: KMeansConf) -> Tensor:
    *_, last = lloyd(shards, first_centroids(shards, conf), conf)
    return last.centroids


def test_a_frame_goes_to_the_nearest_centroid_and_to_the_first_of_two_as_near() -> None:
    centroids = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    frames = torch.tensor([[0.1, 0.1], [3.0, 0.0], [0.2, 2.0], [2.0, 0.0]])
    assert assign(frames, centroids).tolist() == [0, 1, 3, 0]
    assert assign(frames[:0], centroids).tolist() == []


def test_many_frames_are_assigned_as_cdist_says() -> None:
    generator = torch.Generator().manual_seed(3)
    frames, centroids = torch.randn(5000, 24, generator=generator), torch.randn(37, 24, generator=generator)
    assert torch.equal(assign(frames, centroids), torch.cdist(frames.double(), centroids.double()).argmin(1))


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_clusters_are_found(init: str) -> None:
    frames, owner = blobs(6, 50)
    conf = KMeansConf(clusters=6, init=init, iterations=50, tolerance=0.0, seed=1)
    centroids = fitted([frames], conf)
    found = assign(frames, centroids)
    # k-means++ finds all six; drawn at random, two may begin in one cluster, and some stay in two.
    whole = [len(set(found[owner == blob].tolist())) == 1 for blob in range(6)]
    assert all(whole) if init == "k-means++" else sum(whole) >= 3


def test_one_pass_by_hand() -> None:
    frames = torch.tensor([[0.0], [2.0], [10.0], [14.0]])
    [found] = lloyd([frames], torch.tensor([[1.0], [11.0]]), KMeansConf(clusters=2, iterations=1))
    assert found.centroids.tolist() == [[1.0], [12.0]] and found.used == 2
    assert found.inertia == pytest.approx((1 + 1 + 1 + 9) / 4)


def test_inertia_never_grows_and_stops_where_nothing_changes() -> None:
    frames = torch.randn(2000, 16, generator=torch.Generator().manual_seed(0))
    conf = KMeansConf(clusters=20, iterations=200, tolerance=1e-4)
    passes = list(lloyd([frames], first_centroids([frames], conf), conf))
    values = [found.inertia for found in passes]
    assert len(values) < 200 and all(b <= a + 1e-6 for a, b in pairwise(values))
    assert values[-2] - values[-1] <= 1e-4 * values[-1]
    near = torch.cdist(frames.double(), passes[-2].centroids.double()).amin(1).square().mean()
    assert values[-1] == pytest.approx(float(near), rel=1e-5)


def test_shards_their_cuts_and_half_precision_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.randn(900, 12, generator=torch.Generator().manual_seed(5)).half()
    conf = KMeansConf(clusters=11, iterations=4, tolerance=0.0)
    whole = fitted([frames], conf)
    for shards in ([frames[:100], frames[100:101], frames[101:]], [frames.numpy()[:450], frames.numpy()[450:]]):
        torch.testing.assert_close(fitted(list(shards), conf), whole, rtol=1e-5, atol=1e-6)
    assert torch.equal(fitted([frames], conf), whole)
    monkeypatch.setattr(kmeans, "SCORES", 11 * 7)  # 7 frames at a time
    torch.testing.assert_close(fitted([frames], conf), whole, rtol=1e-5, atol=1e-6)


def test_memory_maps_are_read_where_they_are(tmp_path) -> None:
    frames = np.random.default_rng(0).standard_normal((300, 5)).astype(np.float16)
    np.save(tmp_path / "shard.npy", frames)
    conf = KMeansConf(clusters=4, iterations=3)
    mapped = np.load(tmp_path / "shard.npy", mmap_mode="r")
    assert torch.equal(fitted([mapped], conf), fitted([frames], conf))


def test_a_run_goes_on_from_its_last_pass() -> None:
    frames = torch.randn(500, 6, generator=torch.Generator().manual_seed(2))
    conf = KMeansConf(clusters=9, iterations=6, tolerance=0.0)
    first = first_centroids([frames], conf)
    passes = list(lloyd([frames], first, conf))
    rest = list(lloyd([frames], passes[2].centroids, conf, passes=3))
    assert len(passes) == 6 and len(rest) == 3 and torch.equal(rest[-1].centroids, passes[-1].centroids)


def test_a_centroid_that_nobody_is_near_is_put_beside_a_large_cluster() -> None:
    frames, _ = blobs(3, 40)
    far = torch.full((2, 8), 1e4)
    start = torch.cat([frames[[0, 40, 80]], far, far + 1])
    passes = list(lloyd([frames], start, KMeansConf(clusters=7, iterations=20, tolerance=0.0)))
    assert passes[0].used == 3 and passes[-1].used == 7
    assert passes[-1].inertia < passes[0].inertia


def test_seeds_differ_and_repeat() -> None:
    frames = torch.randn(400, 6, generator=torch.Generator().manual_seed(2))
    first = {seed: first_centroids([frames], KMeansConf(clusters=5, seed=seed)) for seed in (0, 1)}
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first[0], first_centroids([frames[:7], frames[7:]], KMeansConf(clusters=5, seed=0)))


def test_too_few_frames_is_one_message() -> None:
    with pytest.raises(DataError, match="3 frames cannot make 5 clusters"):
        first_centroids([torch.zeros(3, 2)], KMeansConf(clusters=5))
    with pytest.raises(ConfigError, match="units_conf.*'cluster'.*did you mean 'clusters'"):
        read(KMeansConf, {"cluster": 5}, "units_conf")
