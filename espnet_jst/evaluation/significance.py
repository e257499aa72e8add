"""Is a difference more than chance? Intervals and paired tests by bootstrap over utterances (Koehn, 2004).

The utterances are resampled, the same ones for every system and seed, and a system's score on a resample is the mean of
its seeds' scores. So an interval says what other utterances would have changed; what other seeds would have changed is
seen from the scores of the seeds, which stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet_jst.errors import DataError


@dataclass(frozen=True)
class SystemScore:
    """One metric of one system.

    Attributes:
        seeds: the score of each training.
        low, high: 95 % interval of the mean.
        difference_low, difference_high: 95 % interval of this mean minus the baseline's; NaN for the baseline.
        p_value: probability of so large a difference from the baseline if there were none; NaN for the baseline.
    """

    seeds: tuple[float, ...]
    low: float
    high: float
    difference_low: float = math.nan
    difference_high: float = math.nan
    p_value: float = math.nan

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return sum(self.seeds) / len(self.seeds)


def compare_systems(
    systems: Mapping[str, Sequence[np.ndarray]],
    score: Callable[[np.ndarray], float],
    *,
    baseline: str,
    n_bootstrap: int = 1000,
    seed: int = 12345,
) -> dict[str, SystemScore]:
    """Scores of all systems on one test set.

    Args:
        systems: for each system the statistics of every seed, (N, S), the same N utterances in the same order.
        score: of summed statistics.
        baseline: the system that the others are tested against.
        n_bootstrap: resamples.
        seed: of the resampling.

    Raises:
        DataError: no utterance, or systems with different utterances.
    """
    sizes = {rows.shape[0] for seeds in systems.values() for rows in seeds}
    if len(sizes) != 1 or 0 in sizes:
        raise DataError(f"the systems have {sorted(sizes)} utterances; a paired test needs the same ones in all")
    [count] = sizes
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=n_bootstrap)
    resampled = {
        name: np.mean([[score(sums) for sums in drawn @ rows] for rows in seeds], axis=0)
        for name, seeds in systems.items()
    }
    exact = {name: tuple(score(rows.sum(axis=0)) for rows in seeds) for name, seeds in systems.items()}
    found = {}
    for name, seeds in exact.items():
        interval = _percentiles(resampled[name])
        if name == baseline:
            found[name] = SystemScore(seeds, *interval)
            continue
        differences = resampled[name] - resampled[baseline]
        observed = abs(np.mean(seeds) - np.mean(exact[baseline]))
        larger = int(np.sum(np.abs(differences - np.nanmean(differences)) >= observed))
        p_value = (larger + 1) / (n_bootstrap + 1)  # + 1: never exactly zero
        found[name] = SystemScore(seeds, *interval, *_percentiles(differences), p_value)
    return found


def interval(
    rows: np.ndarray, score: Callable[[np.ndarray], float], *, n_bootstrap: int = 1000, seed: int = 12345
) -> tuple[float, float]:
    """95 % interval of one system; arguments as `compare_systems`."""
    found = compare_systems({"": [rows]}, score, baseline="", n_bootstrap=n_bootstrap, seed=seed)[""]
    return found.low, found.high


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    """2.5 % and 97.5 %, of the resamples that have a score."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return math.nan, math.nan
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)
