import random

import numpy as np
import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation.significance import compare_systems, interval
from espnet_jst.evaluation.statistics import rate, translation_statistics


def errors(*counts: int) -> np.ndarray:
    return np.array([(100.0 * wrong, 4.0) for wrong in counts])


def utterances(error_rate: float, seed: int, n: int = 120) -> np.ndarray:
    rng = random.Random(seed)
    lengths = [random.Random(k).randrange(2, 8) for k in range(n)]  # the same set for every system
    return np.array([(sum(rng.random() < error_rate for _ in range(length)), length) for length in lengths], float)


def slow_interval(counts: np.ndarray, n_bootstrap: int, seed: int) -> np.ndarray:
    rng, rates = random.Random(seed), []
    for _ in range(n_bootstrap):
        sample = [rng.choice(counts) for _ in counts]
        rates.append(sum(wrong for wrong, _ in sample) / sum(total for _, total in sample))
    return np.percentile(rates, [2.5, 97.5])


def test_the_interval_agrees_with_a_plain_loop():
    counts = utterances(0.2, 0)
    low, high = interval(counts, rate, n_bootstrap=2000)
    assert (low, high) == pytest.approx(tuple(slow_interval(counts, 2000, 1)), abs=0.006)
    assert low < rate(counts.sum(axis=0)) < high


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not():
    counts = utterances(0.2, 0)
    assert interval(counts, rate, seed=1) == interval(counts, rate, seed=1)
    assert interval(counts, rate, seed=1) != interval(counts, rate, seed=2)


def test_the_mean_is_that_of_the_seeds_and_the_interval_holds_it():
    systems = {"a": [errors(0, 1, 0, 2, 1) for _ in range(2)], "b": [errors(1, 2, 1, 3, 2), errors(1, 1, 1, 1, 1)]}
    found = compare_systems(systems, rate, baseline="a")
    assert found["a"].seeds == (20.0, 20.0) and found["b"].seeds == (45.0, 25.0)
    assert found["b"].mean == 35.0
    assert found["b"].low < 35.0 < found["b"].high
    assert found["b"].difference_low < 15.0 < found["b"].difference_high
    assert np.isnan(found["a"].p_value)


def test_a_difference_in_every_utterance_is_significant_and_none_is_not():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 3, size=200)
    systems = {"a": [errors(*first)], "other": [errors(*rng.permutation(first))], "worse": [errors(*(first + 1))]}
    found = compare_systems(systems | {"same": systems["a"]}, rate, baseline="a")
    assert found["worse"].p_value < 0.01 and found["worse"].difference_low > 0
    assert found["other"].p_value > 0.1
    assert found["same"].p_value == 1.0


def test_two_equally_good_systems_are_rarely_told_apart():
    pairs = [{"a": [utterances(0.2, 10 + k)], "b": [utterances(0.2, 50 + k)]} for k in range(40)]
    found = [compare_systems(pair, rate, baseline="a", n_bootstrap=300)["b"] for pair in pairs]
    assert sum(score.p_value < 0.05 for score in found) <= 6


def test_translations_are_compared_on_each_metric():
    references = ["eins und zwanzig null", "vier und dreissig", "zwei acht und neunzig", "sechzehn null sieben"] * 10
    worse = [text.replace("und", "null") if k % 2 else text for k, text in enumerate(references)]
    for metric, sign in (("BLEU", -1), ("chrF++", -1), ("TER", 1)):
        pair = [translation_statistics(metric, references, texts, lowercase=False) for texts in (references, worse)]
        systems = {"right": [pair[0].rows], "worse": [pair[1].rows]}
        found = compare_systems(systems, pair[0].score, baseline="right", n_bootstrap=200)["worse"]
        assert found.p_value < 0.05 and sign * found.difference_low > 0 < sign * found.difference_high


def test_systems_with_other_utterances_or_none_are_refused():
    with pytest.raises(DataError, match="the same ones in all"):
        compare_systems({"a": [errors(0, 1)], "b": [errors(0, 1, 2)]}, rate, baseline="a")
    with pytest.raises(DataError, match=r"\[0\] utterances"):
        interval(np.zeros((0, 2)), rate)
