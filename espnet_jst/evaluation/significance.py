"""Is a difference more than chance? Bootstrap over utterances: intervals of one system, paired test of two.

Resampling as in Koehn (2004), the p-value as in sacrebleu's paired bootstrap: the share of resampled differences,
centred, that are larger than the one observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sacrebleu.significance import PairedTest

from espnet_jst.errors import DataError
from espnet_jst.evaluation.quality import TRANSLATION_METRICS, make_metric, sacrebleu_seed

_CELLS = 2_000_000  # resampled indices held at once


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval and how it was made."""

    low: float
    high: float
    n_bootstrap: int
    seed: int


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same utterances.

    Attributes:
        first, second: the scores.
        p_value: probability of so large a difference if the systems were equally good.
        low, high: 95 % interval of `second - first`; NaN where the test does not give one (sacrebleu's metrics).
    """

    first: float
    second: float
    p_value: float
    low: float = float("nan")
    high: float = float("nan")


def rate_interval(counts: Sequence[tuple[float, float]], *, n_bootstrap: int = 1000, seed: int = 12345) -> Interval:
    """95 % interval of a ratio of sums, e.g. WER.

    Args:
        counts: (numerator, denominator) of each utterance: (errors, reference words) for WER, (value, 1) for a mean.

    Returns:
        The interval of `sum(numerator) / sum(denominator)`, as a fraction.

    Raises:
        DataError: there are no utterances.
    """
    rates = _resampled_rates([counts], n_bootstrap, seed)[0]
    low, high = _percentiles(rates)
    return Interval(low=low, high=high, n_bootstrap=n_bootstrap, seed=seed)


def compare_rates(
    first: Sequence[tuple[float, float]],
    second: Sequence[tuple[float, float]],
    *,
    n_bootstrap: int = 1000,
    seed: int = 12345,
) -> Comparison:
    """Paired bootstrap test of two systems on a ratio of sums (see `rate_interval`).

    Raises:
        DataError: the systems have different numbers of utterances, or none.
    """
    if len(first) != len(second):
        raise DataError(f"{len(first)} and {len(second)} utterances; a paired test needs the same ones in both systems")
    resampled = _resampled_rates([first, second], n_bootstrap, seed)
    exact = [float(np.sum(counts, axis=0)[0] / np.sum(counts, axis=0)[1]) for counts in (first, second)]
    differences = resampled[1] - resampled[0]
    sizes = np.abs(differences)
    low, high = _percentiles(differences)
    larger = int(np.sum(sizes - sizes.mean() > abs(exact[1] - exact[0])))
    p_value = _p_value(exact[0], exact[1], (larger + 1) / (n_bootstrap + 1))  # + 1: never exactly zero
    return Comparison(first=exact[0], second=exact[1], p_value=p_value, low=low, high=high)


def compare_translations(
    references: Sequence[str],
    first: Sequence[str],
    second: Sequence[str],
    *,
    lowercase: bool = False,
    tokenize: str | None = None,
    n_bootstrap: int = 1000,
    seed: int = 12345,
    metrics: Sequence[str] = TRANSLATION_METRICS,
) -> dict[str, Comparison]:
    """sacrebleu's paired bootstrap test of two systems, for each metric.

    Raises:
        DataError: the lists differ in length or are empty.
    """
    if not references or not len(references) == len(first) == len(second):
        raise DataError(
            f"{len(references)} references, {len(first)} and {len(second)} hypotheses; a paired test needs one each"
        )
    with sacrebleu_seed(seed):
        test = PairedTest(
            [("first", list(first)), ("second", list(second))],
            {name: make_metric(name, lowercase=lowercase, tokenize=tokenize) for name in metrics},
            [list(references)],
            test_type="bs",
            n_samples=n_bootstrap,
        )
        _, scores = test()
    # sacrebleu files the results under its own names ("chrF2++"), in the order of the metrics given.
    pairs = [pair for name, pair in scores.items() if name != "System"]
    return {name: _comparison(*pair) for name, pair in zip(metrics, pairs, strict=True)}


def _comparison(first: Any, second: Any) -> Comparison:
    """From sacrebleu's `Result` of each system."""
    a, b = float(first.score), float(second.score)
    return Comparison(a, b, _p_value(a, b, float(second.p_value)))


def _p_value(first: float, second: float, p_value: float) -> float:
    """The centred test calls a system different from itself (p = 1 / (n + 1)); equal scores are never different."""
    return 1.0 if first == second else p_value


def _resampled_rates(systems: Sequence[Sequence[tuple[float, float]]], n_bootstrap: int, seed: int) -> np.ndarray:
    """Rates of each system on the same resamples, (systems, n_bootstrap)."""
    stats = np.asarray(systems, dtype=np.float64)
    if stats.size == 0:
        raise DataError("no utterance to resample")
    _, n, _ = stats.shape
    rng = np.random.default_rng(seed)
    rates = []
    for start in range(0, n_bootstrap, rows := max(1, _CELLS // n)):
        chosen = rng.integers(n, size=(min(rows, n_bootstrap - start), n))
        sums = stats[:, chosen].sum(axis=2)
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample of empty references only
            rates.append(sums[..., 0] / sums[..., 1])
    return np.concatenate(rates, axis=1)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)
