"""Keys of `units_conf.kmeans`."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_jst.keys import Conf, key

MOST_CLUSTERS = 65_536  # two bytes
UNIT_INITS = ("normal", "mean_cov", "mean")  # how rows of units are drawn for an embedding that was trained on text


@dataclass(frozen=True, kw_only=True)
class KMeansConf(Conf):
    """How clusters are found (Lloyd's algorithm)."""

    clusters: int = key(2000, "number of units; arXiv:2309.15826 has 2000", low=1, high=MOST_CLUSTERS)
    init: str = key(
        "random",
        "first centroids. random: frames that are drawn; k-means++: each far from those before, of up to 50,000 frames",
        choices=("random", "k-means++"),
    )
    iterations: int = key(20, "passes over the frames at most", low=1, high=10_000)
    tolerance: float = key(
        1e-4, "stop where a pass makes the mean distance smaller by less than this share", low=0, high=1
    )
    max_frames: int = key(500_000, "frames, drawn over all utterances, that are clustered", low=1, high=100_000_000)
    seed: int = key(0, "of what is drawn", low=0, high=2**31 - 1)
