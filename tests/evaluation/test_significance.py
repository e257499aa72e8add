import math
import random
from dataclasses import replace

import numpy as np
import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.evaluation.metrics.base import rate
from espnet_jst.evaluation.significance import SystemScore, compare_systems, interval
from tests.evaluation.decoded import lane_texts


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
    worse = first + rng.integers(1, 3, size=200)
    systems = {"a": [errors(*first)], "other": [errors(*rng.permutation(first))], "worse": [errors(*worse)]}
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
        pair = [METRICS[metric].statistics(lane_texts(references, texts)) for texts in (references, worse)]
        systems = {"right": [pair[0].rows], "worse": [pair[1].rows]}
        found = compare_systems(systems, pair[0].score, baseline="right", n_bootstrap=200)["worse"]
        assert found.p_value < 0.05 and sign * found.difference_low > 0 < sign * found.difference_high


def test_systems_with_other_utterances_or_none_are_refused():
    with pytest.raises(DataError, match="the same ones in all"):
        compare_systems({"a": [errors(0, 1)], "b": [errors(0, 1, 2)]}, rate, baseline="a")
    with pytest.raises(DataError, match=r"\[0\] utterances"):
        interval(np.zeros((0, 2)), rate)


def latencies(*values: float | None) -> np.ndarray:
    return np.array([(0.0, 0.0) if value is None else (value, 1.0) for value in values])


def is_undefined(score: SystemScore) -> bool:
    return bool(np.isnan([score.low, score.high, score.difference_low, score.difference_high, score.p_value]).all())


@pytest.mark.parametrize("count", [1, 5, 99, 200])
@pytest.mark.parametrize("silent", ["first", "second", "both"])
def test_a_system_that_never_has_the_score_is_not_compared(count: int, silent: str):
    nothing, something = latencies(*[None] * count), latencies(*(100.0 + k for k in range(count)))
    systems = {name: [nothing if silent in (name, "both") else something] for name in ("first", "second")}
    found = compare_systems(systems, rate, baseline="first", n_bootstrap=100)
    assert is_undefined(found["second"]) == (silent != "first") or np.isnan(found["second"].p_value)
    assert np.isnan(found["second"].p_value) and np.isnan(found["second"].difference_low)
    assert np.isnan(found["first"].mean) == (silent != "second")


@pytest.mark.parametrize("count", [8, 180])
def test_a_score_that_many_resamples_lack_is_not_tested(count: int):
    rare = latencies(*[5000.0, 6000.0], *[None] * (count - 2))
    often = latencies(*(100.0 + k for k in range(count)))
    found = compare_systems({"a": [often], "b": [rare], "c": [often, rare]}, rate, baseline="a", n_bootstrap=200)
    assert found["b"].mean == 5500.0 and is_undefined(replace(found["b"], low=math.nan, high=math.nan))
    assert (found["b"].low, found["b"].high) == interval(latencies(5000.0, 6000.0), rate, n_bootstrap=200)
    assert found["c"].mean > 2000.0 and is_undefined(found["c"])


def test_a_resample_without_a_score_speaks_for_chance():
    # Six of 200 utterances have what the score needs: a resample lacks it once in 400.
    rows = np.array([(400.0 + k, 1.0, float(k < 6)) for k in range(200)])
    systems = {"a": [rows], "b": [rows - np.array([300.0, 0.0, 0.0])]}
    found = compare_systems(systems, lambda s: rate(s) if s[2] else math.nan, baseline="a", n_bootstrap=4000)["b"]
    assert 2 / 4001 < found.p_value < 0.02


def test_one_utterance_has_no_interval():
    found = compare_systems({"a": [errors(1)], "b": [errors(1)], "c": [errors(2)]}, rate, baseline="a")
    assert is_undefined(found["c"]) and np.isnan(found["b"].low) and found["b"].p_value == 1.0


@pytest.mark.parametrize("count", [2, 5, 99, 100])
def test_identical_systems_differ_by_nothing(count: int):
    rows = utterances(0.3, 3, count)
    found = compare_systems({"a": [rows], "b": [rows], "c": [rows, rows]}, rate, baseline="a", n_bootstrap=100)
    for name in ("b", "c"):
        assert (found[name].difference_low, found[name].difference_high, found[name].p_value) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("count", [1, 5, 160])
def test_no_error_at_all_is_no_proof_that_there_never_is_one(count: int):
    low, high = interval(errors(*[0] * count), rate)
    assert np.isnan(low) and np.isnan(high)


@pytest.mark.parametrize("count", [2, 5, 10, 99])
def test_few_utterances_of_two_equally_good_systems_are_rarely_told_apart(count: int):
    pairs = [{"a": [utterances(0.2, 10 + k, count)], "b": [utterances(0.2, 500 + k, count)]} for k in range(150)]
    found = [compare_systems(pair, rate, baseline="a", n_bootstrap=20)["b"] for pair in pairs]
    assert sum(score.p_value < 0.05 for score in found) <= 15
    assert all((score.difference_low <= 0 <= score.difference_high) == (score.p_value >= 0.05) for score in found)


def test_the_same_difference_in_every_one_of_few_utterances_is_a_matter_of_their_number():
    for count, p_value in ((4, 0.125), (10, 2 / 1024)):
        systems = {"a": [errors(*[0] * count)], "b": [errors(*[4] * count)]}
        assert compare_systems(systems, rate, baseline="a")["b"].p_value == pytest.approx(p_value)


def test_an_interval_stays_within_the_limits_of_its_score():
    rows = errors(0, 0, 0, 1, 4)
    assert interval(rows, rate)[0] < 0.0
    assert interval(rows, rate, limits=(0.0, 100.0))[0] == 0.0
    assert interval(rows, rate, limits=(0.0, 50.0))[1] == 50.0


@pytest.mark.parametrize("count", [30, 99, 100, 300])
def test_a_difference_that_no_utterance_changes_has_no_interval_however_many_there_are(count):
    found = compare_systems({"a": [errors(*[0] * count)], "silent": [errors(*[4] * count)]}, rate, baseline="a")
    assert np.isnan(found["silent"].difference_low) and np.isnan(found["silent"].difference_high)
    assert found["silent"].p_value < 0.01


def silent_elsewhere(rows: np.ndarray, count: int, first: int = 0) -> np.ndarray:
    """The rows, from `first` on, among `count` utterances of which the others add nothing."""
    padded = np.zeros((count, rows.shape[1]))
    padded[first : first + len(rows)] = rows
    return padded


@pytest.mark.parametrize("count", [6, 99, 100, 300])
def test_utterances_that_add_nothing_change_nothing(count: int):
    systems = {
        "a": latencies(900.0, 1400.0, None, 2000.0, 1100.0),
        "b": latencies(1000.0, 1600.0, 1200.0, 2100.0, None),
    }
    few = compare_systems({name: [rows] for name, rows in systems.items()}, rate, baseline="a")
    padded = {name: [silent_elsewhere(rows, count, 1)] for name, rows in systems.items()}
    found = compare_systems(padded, rate, baseline="a")
    for name in systems:
        assert repr(found[name]) == repr(few[name])


@pytest.mark.parametrize("count", [5, 99, 250])
def test_a_constant_difference_is_a_matter_of_the_utterances_that_weigh(count: int):
    slow, fast = latencies(*[3000.0] * 5), latencies(*[2000.0] * 5)
    others = np.zeros((count - 5, 2))
    hallucinated = others + np.array([100.0, 0.0])  # words where the reference has none
    for rest, other in ((others, others), (hallucinated, hallucinated), (others, latencies(*[2000.0] * (count - 5)))):
        systems = {"a": [np.concatenate([slow, rest])], "b": [np.concatenate([fast, other.reshape(-1, 2)])]}
        assert compare_systems(systems, rate, baseline="a", n_bootstrap=4000)["b"].p_value == 0.0625


def test_a_system_with_few_values_makes_the_difference_one_of_few():
    rng = np.random.default_rng(0)
    often, rare = latencies(*rng.normal(2000.0, 300.0, 400)), latencies(*rng.normal(2000.0, 300.0, 12))
    systems = {"a": [often], "b": [silent_elsewhere(rare, 400)]}
    found = compare_systems(systems, rate, baseline="a")["b"]
    error = rare[:, 0].std(ddof=1) / math.sqrt(12)
    assert found.difference_high - found.difference_low >= 2.0 * 2.2 * error  # Student's quantile of 11, not 1.96


def test_one_reference_among_many_utterances_has_no_interval():
    rows = np.array([(100.0, 4.0)] + [(100.0, 0.0)] * 150)
    found = compare_systems({"a": [rows], "b": [rows * [2.0, 1.0]]}, lambda s: s[0], baseline="a")
    assert is_undefined(found["b"]) and np.isnan(found["a"].low)
