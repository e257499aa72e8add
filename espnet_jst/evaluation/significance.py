"""Is a difference more than chance? Intervals and paired tests over utterances (Koehn, 2004).

The utterances are resampled, the same ones for every system and seed, and a system's score on a resample is the mean of
its seeds' scores. So an interval says what other utterances would have changed; what other seeds would have changed is
seen from the scores of the seeds, which stand beside it. Below `FEW` utterances see `small_samples`.

What is not defined is NaN and never significant: a score of nothing, and everything about one that more than one in a
hundred resamples does not have. So is the interval of a score that is the same in every resample: that no utterance
differs does not say that no other one would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from espnet_jst.errors import DataError
from espnet_jst.evaluation.small_samples import FEW, Estimate, difference_of_few, interval_of_few

UNLIMITED = (-math.inf, math.inf)
MOST_UNDEFINED = 0.01  # share of the resamples


@dataclass(frozen=True)
class SystemScore:
    """One metric of one system. A number that is not defined is NaN.

    Attributes:
        seeds: the score of each training.
        low, high: 95 % interval of the mean.
        baseline: whether the others are tested against this system.
        difference_low, difference_high: 95 % interval of this mean minus the baseline's.
        p_value: probability of so large a difference from the baseline if there were none.
    """

    seeds: tuple[float, ...]
    low: float
    high: float
    baseline: bool = False
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
    limits: tuple[float, float] = UNLIMITED,
    n_bootstrap: int = 1000,
    seed: int = 12345,
) -> dict[str, SystemScore]:
    """Scores of all systems on one test set.

    Args:
        systems: for each system the statistics of every seed, (N, S), the same N utterances in the same order.
        score: of summed statistics.
        baseline: the system that the others are tested against.
        limits: least and largest value that a score can have.
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
    estimates: dict[str, Estimate] = {name: partial(_scores, seeds, score) for name, seeds in systems.items()}
    resampled = {name: estimate(drawn) for name, estimate in estimates.items()}
    found = {}
    for name, seeds in systems.items():
        exact = tuple(score(rows.sum(axis=0)) for rows in seeds)
        low, high = np.clip(_interval(estimates[name], drawn, resampled[name]), *limits).tolist()
        if name == baseline:
            found[name] = SystemScore(exact, low, high, baseline=True)
        else:
            pair = (estimates[name], estimates[baseline]), (resampled[name], resampled[baseline])
            difference_low, difference_high, p_value = _difference(*pair, count)
            found[name] = SystemScore(exact, low, high, False, difference_low, difference_high, p_value)
    return found


def interval(
    rows: np.ndarray,
    score: Callable[[np.ndarray], float],
    *,
    limits: tuple[float, float] = UNLIMITED,
    n_bootstrap: int = 1000,
    seed: int = 12345,
) -> tuple[float, float]:
    """95 % interval of one system; arguments as `compare_systems`."""
    systems = {"": [rows]}
    found = compare_systems(systems, score, baseline="", limits=limits, n_bootstrap=n_bootstrap, seed=seed)[""]
    return found.low, found.high


def _scores(seeds: Sequence[np.ndarray], score: Callable[[np.ndarray], float], weights: np.ndarray) -> np.ndarray:
    """Mean over the seeds of the score of weighted sums, (K, N) -> (K,)."""
    return np.mean([[score(sums) for sums in weights @ rows] for rows in seeds], axis=0)


def _interval(estimate: Estimate, drawn: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    count = drawn.shape[1]
    if not _defined(estimate, scores, count):
        return math.nan, math.nan
    if count < FEW:
        return interval_of_few(estimate, drawn)
    return _varying(*_percentiles(scores))


def _difference(
    pair: tuple[Estimate, Estimate], scores: tuple[np.ndarray, np.ndarray], count: int
) -> tuple[float, float, float]:
    """95 % interval of the first system minus the second, and p-value; `scores` are those of the resamples."""

    def estimate(weights: np.ndarray) -> np.ndarray:
        return pair[0](weights) - pair[1](weights)

    differences = scores[0] - scores[1]
    if not _defined(estimate, differences, count):
        return math.nan, math.nan, math.nan
    if count < FEW:
        return difference_of_few(estimate, count)
    observed = abs(float(estimate(np.ones((1, count)))[0]))
    # A resample without a score speaks for chance.
    smaller = int(np.sum(np.abs(differences - np.nanmean(differences)) < observed))
    p_value = (len(differences) - smaller + 1) / (len(differences) + 1)  # + 1: never exactly zero
    return *(_percentiles(differences) if observed == 0.0 else _varying(*_percentiles(differences))), p_value


def _defined(estimate: Estimate, scores: np.ndarray, count: int) -> bool:
    whole = estimate(np.ones((1, count)))
    return bool(np.isfinite(whole).all()) and float(np.mean(~np.isfinite(scores))) <= MOST_UNDEFINED


def _varying(low: float, high: float) -> tuple[float, float]:
    """The interval, if there is one."""
    return (low, high) if high - low > 1e-9 * max(1.0, abs(low)) else (math.nan, math.nan)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    """2.5 % and 97.5 %, of the resamples that have a score."""
    low, high = np.percentile(values[np.isfinite(values)], [2.5, 97.5])
    return float(low), float(high)
