"""Systems that were trained with several seeds each: means over the seeds, intervals and paired tests over utterances.

The utterances are resampled (Koehn, 2004), the same ones for every system and seed, and a system's score on a resample
is the mean of its seeds' scores. So an interval says what other utterances would have changed; what other seeds would
have changed is seen from the scores of the seeds, which stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet_jst.errors import DataError
from espnet_jst.evaluation.quality import make_metric

Score = Callable[[np.ndarray], float]
"""Sums of the utterances' statistics -> score."""


@dataclass(frozen=True)
class SeedScore:
    """One metric of one system.

    Attributes:
        seeds: the score of each seed.
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


def rate(sums: np.ndarray) -> float:
    """Ratio of two sums, such as errors and words; NaN where there is nothing to divide by."""
    return float(sums[0] / sums[1]) if sums[1] else math.nan


def translation_statistics(
    name: str, references: Sequence[str], hypotheses: Sequence[str], *, lowercase: bool, tokenize: str | None = None
) -> tuple[np.ndarray, Score]:
    """Statistics of each utterance, (N, S), and the corpus score of their sum, for "BLEU", "chrF++" or "TER"."""
    metric = make_metric(name, lowercase=lowercase, tokenize=tokenize)
    rows = metric._extract_corpus_statistics(list(hypotheses), [list(references)])
    return np.asarray(rows, dtype=np.float64), lambda sums: float(metric._compute_score_from_stats(sums.tolist()).score)


def compare_systems(
    systems: Mapping[str, Sequence[np.ndarray]],
    score: Score,
    *,
    baseline: str,
    n_bootstrap: int = 1000,
    seed: int = 12345,
) -> dict[str, SeedScore]:
    """Scores of all systems on one test set.

    Args:
        systems: for each system the statistics of every seed, (N, S), the same N utterances in the same order.
        score: of summed statistics.
        baseline: the system that the others are tested against.

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
        low, high = np.nanpercentile(resampled[name], [2.5, 97.5])
        if name == baseline:
            found[name] = SeedScore(seeds, float(low), float(high))
            continue
        differences = resampled[name] - resampled[baseline]
        observed = abs(np.mean(seeds) - np.mean(exact[baseline]))
        larger = int(np.sum(np.abs(differences - differences.mean()) >= observed))
        bounds = np.nanpercentile(differences, [2.5, 97.5])
        p_value = (larger + 1) / (n_bootstrap + 1)  # + 1: never exactly zero
        found[name] = SeedScore(seeds, float(low), float(high), float(bounds[0]), float(bounds[1]), p_value)
    return found
