"""Is a difference more than chance? Intervals and paired tests over utterances (Koehn, 2004).

The utterances are resampled, the same ones for every system and seed, and a system's score on a resample is the mean of
its seeds' scores. So an interval says what other utterances would have changed; what other seeds would have changed is
seen from the scores of the seeds, which stand beside it.

A score is no surer than the number of utterances that it divides by, however many there are besides: of 99 utterances
in 94 of which a lane is silent, its latency is one over 5. Below `FEW` that count see `small_samples`.

What is not defined is NaN and never significant: a score of nothing, and everything about one that more than one in a
hundred resamples does not have. So is the interval of a score that is the same in every resample: that no utterance
differs does not say that no other one would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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
        systems: for each system the statistics of every seed, (N, S), the same N utterances in the same order. Column 1
            is what the score divides by: the length of the reference, or 1 for an utterance with a latency. A row of
            zeros adds nothing: with it and without it all results are the same.
        score: of summed statistics.
        limits: least and largest value that a score can have.

    Raises:
        DataError: no utterance, or systems with different utterances.
    """
    sizes = {rows.shape[0] for seeds in systems.values() for rows in seeds}
    if len(sizes) != 1 or 0 in sizes:
        raise DataError(f"the systems have {sorted(sizes)} utterances; a paired test needs the same ones in all")
    found = {}
    for name, seeds in systems.items():
        exact = tuple(score(rows.sum(axis=0)) for rows in seeds)
        low, high = np.clip(_interval(_resample([seeds], score, n_bootstrap, seed)), *limits).tolist()
        if name == baseline:
            found[name] = SystemScore(exact, low, high, baseline=True)
        else:
            pair = _resample([seeds, systems[baseline]], score, n_bootstrap, seed)
            found[name] = SystemScore(exact, low, high, False, *_difference(pair))
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


@dataclass(frozen=True)
class _Resampled:
    """The score of a system, or the difference of two, over the N utterances that add something to it.

    Attributes:
        estimate: scores of weighted sums, (K, N) -> (K,).
        drawn: how often each resample has each utterance, (B, N).
        scores: of the resamples, (B,).
        count: utterances that the score divides by, in the system and seed that have fewest.
    """

    estimate: Estimate
    drawn: np.ndarray
    scores: np.ndarray
    count: int

    def defined(self) -> bool:
        """Whether there is a score, and resamples have it."""
        whole = self.estimate(np.ones((1, self.drawn.shape[1])))
        return bool(np.isfinite(whole).all()) and float(np.mean(~np.isfinite(self.scores))) <= MOST_UNDEFINED


def _resample(
    systems: Sequence[Sequence[np.ndarray]], score: Callable[[np.ndarray], float], n_bootstrap: int, seed: int
) -> _Resampled:
    """Of one system, or of the first minus the second."""
    everything = [rows for seeds in systems for rows in seeds]
    there = np.any([rows.any(axis=1) for rows in everything], axis=0)
    there |= not there.any()  # all zero: there has to be something to draw
    kept = [[rows[there] for rows in seeds] for seeds in systems]

    def estimate(weights: np.ndarray) -> np.ndarray:
        means = [np.mean([[score(sums) for sums in weights @ rows] for rows in seeds], axis=0) for seeds in kept]
        return means[0] - means[1] if len(means) == 2 else means[0]

    number = int(there.sum())
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1.0 / number), size=n_bootstrap)
    return _Resampled(estimate, drawn, estimate(drawn), min(int(np.sum(rows[:, 1] != 0.0)) for rows in everything))


def _interval(found: _Resampled) -> tuple[float, float]:
    if not found.defined():
        return math.nan, math.nan
    if found.count < FEW:
        return interval_of_few(found.estimate, found.drawn, found.count)
    return _varying(*_percentiles(found.scores))


def _difference(found: _Resampled) -> tuple[float, float, float]:
    """95 % interval of the first system minus the second, and p-value."""
    if not found.defined():
        return math.nan, math.nan, math.nan
    if found.count < FEW:
        return difference_of_few(found.estimate, found.drawn.shape[1], found.count)
    observed = abs(float(found.estimate(np.ones((1, found.drawn.shape[1])))[0]))
    # A resample without a score speaks for chance.
    smaller = int(np.sum(np.abs(found.scores - np.nanmean(found.scores)) < observed))
    p_value = (len(found.scores) - smaller + 1) / (len(found.scores) + 1)  # + 1: never exactly zero
    bounds = _percentiles(found.scores)
    return *(bounds if observed == 0.0 else _varying(*bounds)), p_value


def _varying(low: float, high: float) -> tuple[float, float]:
    """The interval, if there is one."""
    return (low, high) if high - low > 1e-9 * max(1.0, abs(low)) else (math.nan, math.nan)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    """2.5 % and 97.5 %, of the resamples that have a score."""
    low, high = np.percentile(values[np.isfinite(values)], [2.5, 97.5])
    return float(low), float(high)
