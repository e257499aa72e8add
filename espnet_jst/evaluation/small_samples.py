"""Intervals and tests over few utterances, where a plain bootstrap promises too much.

With 5 or 10 utterances the 95 % interval of a percentile bootstrap holds the true value in 65 to 90 % of cases: the
resamples vary less than the population, and their spread depends on the score. Three corrections are known (Efron and
Tibshirani, An Introduction to the Bootstrap, chapters 11, 12 and 14; Hesterberg, arXiv:1411.5279): Student's quantiles
for the jackknife's standard error, the bootstrap's own quantiles of the studentized score, and percentiles moved for
bias and skewness. None covers everywhere; a score gets the widest of them. Differences of two systems are close to
symmetric: for them Student's quantiles suffice, and interval and p-value say the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

FEW = 100  # utterances; from here on percentiles are good enough
STUDENTIZED = 400  # resamples whose own standard error is computed, which takes as many scores as there are utterances
Estimate = Callable[[np.ndarray], np.ndarray]


def are_few(references: Sequence[str]) -> bool:
    """Whether a score over these texts is one of few utterances; to an empty reference nothing is compared."""
    return sum(bool(text.strip()) for text in references) < FEW


def interval_method(few: bool) -> str:
    """How an interval was made, in the words of scores.json."""
    return "widest of jackknife and bootstrap with Student's t, and BCa" if few else "bootstrap percentiles"


def interval_of_few(estimate: Estimate, drawn: np.ndarray, count: int) -> tuple[float, float]:
    """95 % interval of a score; NaN where it is not defined, or the same whichever utterance is left out.

    Args:
        estimate: scores of weighted sums of the utterances, (K, N) -> (K,).
        drawn: how often each resample has each utterance, (B, N).
        count: utterances that the score is no surer than, at most N: Student's distribution is that of so many.
    """
    value, error, left_out = _jackknife(estimate, drawn.shape[1], count)
    if not error > 0.0:
        return math.nan, math.nan
    scores = estimate(drawn)
    student = float(stdtrit(count - 1, 0.975))
    bounds = [
        _moved_percentiles(scores, value, left_out, student),
        _studentized(estimate, drawn, scores, value, error, student),
    ]
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def difference_of_few(estimate: Estimate, number: int, count: int) -> tuple[float, float, float]:
    """95 % interval and p-value of a difference over `number` utterances; other arguments as `interval_of_few`."""
    value, error, _ = _jackknife(estimate, number, count)
    if math.isnan(error):
        return math.nan, math.nan, 1.0 if value == 0.0 else math.nan
    if error == 0.0:
        # The same in every utterance. That of equally good systems has either sign: all alike is a chance of 2 / 2^N.
        return (0.0, 0.0, 1.0) if value == 0.0 else (math.nan, math.nan, 2.0 ** (1 - count))
    half = float(stdtrit(count - 1, 0.975)) * error
    return value - half, value + half, 2.0 * float(stdtr(count - 1, -abs(value) / error))


def _jackknife(estimate: Estimate, number: int, count: int) -> tuple[float, float, np.ndarray]:
    """The score, its standard error (NaN: not defined; 0: nothing varies) and the scores without each utterance."""
    value = float(estimate(np.ones((1, number)))[0])
    left_out = _without_each(estimate, np.ones(number), np.arange(number)) if count > 1 else np.array([math.nan])
    if not (math.isfinite(value) and np.isfinite(left_out).all()):
        return value, math.nan, left_out
    error = math.sqrt((number - 1) / number * np.sum((left_out - left_out.mean()) ** 2))
    return value, error if error > 1e-9 * max(1.0, abs(value)) else 0.0, left_out


def _without_each(estimate: Estimate, weights: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Scores without one of each of these utterances, (I,); in blocks, as one system of a pair may have thousands."""
    scores = []
    for block in np.array_split(indices, len(indices) // 256 + 1):
        without = np.tile(weights.astype(float), (len(block), 1))
        without[np.arange(len(block)), block] -= 1.0
        scores.append(estimate(without))
    return np.concatenate(scores)


def _moved_percentiles(scores: np.ndarray, value: float, left_out: np.ndarray, student: float) -> tuple[float, float]:
    """BCa percentiles, at the levels of Student's distribution instead of the normal one."""
    count, scores = len(left_out), scores[np.isfinite(scores)]
    deviations = left_out.mean() - left_out
    skewness = np.sum(deviations**3) / (6.0 * np.sum(deviations**2) ** 1.5)
    below = np.mean(scores < value) + 0.5 * np.mean(scores == value)
    bias = float(ndtri(np.clip(below, 0.001, 0.999)))
    wide = math.sqrt(count / (count - 1)) * student
    levels = []
    for z in (bias - wide, bias + wide):
        room = 1.0 - skewness * z
        levels.append(100.0 * float(ndtr(bias + z / room)) if room > 0.0 else (0.0 if z < 0.0 else 100.0))
    low, high = np.percentile(scores, levels)
    return float(low), float(high)


def _studentized(
    estimate: Estimate, drawn: np.ndarray, scores: np.ndarray, value: float, error: float, student: float
) -> tuple[float, float]:
    """Bootstrap-t, with quantiles that are at least Student's."""
    count = drawn.shape[1]
    ratios = []
    for weights, score in zip(drawn[:STUDENTIZED], scores[:STUDENTIZED], strict=True):
        there = np.flatnonzero(weights)
        left_out = _without_each(estimate, weights, there)
        times = weights[there]
        own = math.sqrt((count - 1) / count * np.sum(times * (left_out - times @ left_out / count) ** 2))
        if own > 1e-9 * max(1.0, abs(value)) and math.isfinite(score):
            ratios.append((score - value) / own)
    least, most = np.percentile(ratios, [2.5, 97.5]) if 2 * len(ratios) > min(STUDENTIZED, len(drawn)) else (0.0, 0.0)
    return value - max(student, float(most)) * error, value + max(student, -float(least)) * error
