"""How often a 95 % interval holds the true value: test sets drawn from populations whose score is known.

`python -m tests.evaluation.simulated_sets` prints the figures of docs/scoring.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.evaluation.metrics.base import rate
from espnet_jst.evaluation.significance import UNLIMITED, compare_systems, interval
from tests.evaluation.decoded import lane_texts

POPULATION = 20000  # utterances
TRANSLATIONS = 3000
VOCABULARY = [f"w{number}" for number in range(60)]


class Population(NamedTuple):
    """Statistics of all utterances, (N, S), the score of a sum, and its limits."""

    rows: np.ndarray
    score: Callable[[np.ndarray], float]
    limits: tuple[float, float] = UNLIMITED


def error_rates(mean: float) -> Population:
    """WER in percent: 2 to 8 words an utterance, some utterances much harder than others."""
    rng = np.random.default_rng(0)
    words = rng.integers(2, 9, size=POPULATION)
    wrong = rng.binomial(words, rng.beta(3.0 * mean, 3.0 * (1.0 - mean), size=POPULATION))
    return Population(np.stack([100.0 * wrong, words], axis=1), rate, (0.0, np.inf))


def latencies(spread: float) -> Population:
    """Mean latency in ms, log-normal, of the nine in ten utterances that have one."""
    rng = np.random.default_rng(0)
    there = (rng.random(POPULATION) < 0.9).astype(float)
    return Population(np.stack([rng.lognormal(7.0, spread, size=POPULATION) * there, there], axis=1), rate)


def translations(metric: str, errors: float) -> Population:
    """BLEU, chrF++ or TER of 3 to 11 words an utterance, with a share of them replaced, left out or doubled."""
    rng = np.random.default_rng(0)
    references, hypotheses = [], []
    for _ in range(TRANSLATIONS):
        reference = rng.choice(VOCABULARY, size=rng.integers(3, 12)).tolist()
        kinds = rng.random(len(reference)) / rng.beta(3.0 * errors, 3.0 * (1.0 - errors))
        hypotheses.append(" ".join(" ".join(_changed(*pair, rng)) for pair in zip(reference, kinds, strict=True)))
        references.append(" ".join(reference))
    rows, score, _ = METRICS[metric].statistics(lane_texts(references, hypotheses))
    return Population(rows, score, METRICS[metric].limits)


def _changed(word: str, kind: float, rng: np.random.Generator) -> list[str]:
    if kind < 0.6:
        return [str(rng.choice(VOCABULARY))]
    if kind < 0.8:
        return []
    return [word, word] if kind < 1.0 else [word]


POPULATIONS: dict[str, Callable[[], Population]] = {
    "WER 30 %": cache(lambda: error_rates(0.3)),
    "WER 10 %": cache(lambda: error_rates(0.1)),
    "mean latency": cache(lambda: latencies(0.4)),
    "mean latency, long tail": cache(lambda: latencies(0.8)),
    "BLEU 60": cache(lambda: translations("BLEU", 0.25)),
    "BLEU 20": cache(lambda: translations("BLEU", 0.6)),
    "chrF++": cache(lambda: translations("chrF++", 0.25)),
}


def silent_elsewhere(rows: np.ndarray, among: int) -> np.ndarray:
    """The rows, first of `among` utterances of which the others add nothing."""
    return np.pad(rows, ((0, max(0, among - len(rows))), (0, 0)))


def coverage(population: Population, count: int, *, sets: int, among: int = 0, seed: int = 1) -> float:
    """Share of `sets` test sets whose interval holds the population's score, of those that have an interval.

    `count` utterances weigh, of `among` where that is more.
    """
    rng = np.random.default_rng(seed)
    true = population.score(population.rows.sum(axis=0))
    held = []
    for _ in range(sets):
        rows = silent_elsewhere(population.rows[rng.integers(len(population.rows), size=count)], among)
        low, high = interval(rows, population.score, limits=population.limits, n_bootstrap=400)
        if np.isfinite(low):
            held.append(low <= true <= high)
    return float(np.mean(held))


def false_alarms(population: Population, count: int, *, sets: int, among: int = 0, seed: int = 1) -> float:
    """Share of test sets on which two equally good systems differ with p < 0.05; arguments as `coverage`."""
    rng = np.random.default_rng(seed)
    alarms = []
    for _ in range(sets):
        # Both have half of what is hard for one: paired, and of one distribution.
        chosen = [rng.integers(len(population.rows), size=count) for _ in range(3)]
        pair = [population.rows[chosen[0]] + population.rows[chosen[k]] for k in (1, 2)]
        systems = {name: [silent_elsewhere(rows, among)] for name, rows in zip("ab", pair, strict=True)}
        alarms.append(compare_systems(systems, population.score, baseline="a", n_bootstrap=400)["b"].p_value < 0.05)
    return float(np.mean(alarms))


def lone_alarms(population: Population, count: int, *, sets: int, among: int, seed: int = 1) -> float:
    """As `false_alarms`, of a system in which `count` utterances weigh and one in which all `among` do."""
    rng = np.random.default_rng(seed)
    alarms = []
    for _ in range(sets):
        rare, often = (population.rows[rng.integers(len(population.rows), size=size)] for size in (count, among))
        systems = {"a": [silent_elsewhere(rare, among)], "b": [often]}
        alarms.append(compare_systems(systems, population.score, baseline="a", n_bootstrap=400)["b"].p_value < 0.05)
    return float(np.mean(alarms))


def main(counts: Sequence[int] = (5, 10, 20, 50, 200), sets: int = 400) -> None:
    """Print the tables."""
    print("| utterances | " + " | ".join(map(str, counts)) + " |")
    print("|---" * (len(counts) + 1) + "|")
    for name, population in POPULATIONS.items():
        cells = [f"{100 * coverage(population(), count, sets=sets):.0f}" for count in counts]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    for name in ("WER 10 %", "BLEU 60"):
        cells = [f"{100 * false_alarms(POPULATIONS[name](), count, sets=sets):.1f}" for count in counts]
        print(f"| {name}, false alarms | {' | '.join(cells)} |", flush=True)
    print("\n| utterances that weigh | 5 of 99 | 10 of 99 | 20 of 99 | 5 of 200 | 10 of 200 | 20 of 200 |")
    print("|---" * 7 + "|")
    pairs = [(count, among) for among in (99, 200) for count in (5, 10, 20)]
    for name in ("WER 30 %", "mean latency"):
        for text, share in ((name, coverage), (f"{name}, false alarms", false_alarms), (f"{name}, alone", lone_alarms)):
            cells = [f"{100 * share(POPULATIONS[name](), count, sets=sets, among=among):.0f}" for count, among in pairs]
            print(f"| {text} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sets=int(sys.argv[1]) if len(sys.argv) > 1 else 400)
