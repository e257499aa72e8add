import random

import numpy as np
import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation import significance
from espnet_jst.evaluation.significance import compare_rates, compare_translations, rate_interval


def utterances(error_rate, seed, n=120):
    rng = random.Random(seed)
    lengths = [random.Random(k).randrange(2, 8) for k in range(n)]  # the same set for every system
    return [(sum(rng.random() < error_rate for _ in range(length)), length) for length in lengths]


def slow_interval(counts, n_bootstrap, seed):
    rng, rates = random.Random(seed), []
    for _ in range(n_bootstrap):
        sample = [rng.choice(counts) for _ in counts]
        rates.append(sum(errors for errors, _ in sample) / sum(total for _, total in sample))
    return np.percentile(rates, [2.5, 97.5])


def test_the_interval_agrees_with_a_plain_loop():
    counts = utterances(0.2, 0)
    found = rate_interval(counts, n_bootstrap=2000)
    low, high = slow_interval(counts, 2000, 1)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.006)
    assert found.low < sum(e for e, _ in counts) / sum(n for _, n in counts) < found.high


def test_the_same_seed_gives_the_same_interval_and_another_one_does_not():
    counts = utterances(0.2, 0)
    assert rate_interval(counts, seed=1) == rate_interval(counts, seed=1)
    assert rate_interval(counts, seed=1).low != rate_interval(counts, seed=2).low


def test_resampling_in_pieces_gives_the_same_number_of_resamples(monkeypatch):
    monkeypatch.setattr(significance, "_CELLS", 1000)
    found = significance._resampled_rates([utterances(0.2, 0)], 101, 0)
    assert found.shape == (1, 101)


def test_a_clear_difference_is_significant_and_none_is_not():
    good, bad = utterances(0.05, 1), utterances(0.3, 2)
    clear = compare_rates(good, bad)
    assert clear.p_value < 0.01 and clear.low > 0
    assert clear.second - clear.first == pytest.approx(
        sum(e for e, _ in bad) / sum(n for _, n in bad) - sum(e for e, _ in good) / sum(n for _, n in good)
    )
    assert compare_rates(good, good).p_value == 1.0


def test_two_equally_good_systems_are_rarely_told_apart():
    pairs = [(utterances(0.2, 10 + k), utterances(0.2, 50 + k)) for k in range(40)]
    assert sum(compare_rates(a, b, n_bootstrap=300).p_value < 0.05 for a, b in pairs) <= 6


def test_a_paired_test_refuses_different_sets():
    with pytest.raises(DataError, match="120 and 119"):
        compare_rates(utterances(0.1, 0), utterances(0.1, 0)[1:])
    with pytest.raises(DataError, match="no utterance"):
        rate_interval([])


def test_translations_are_compared_on_each_metric():
    references = ["eins und zwanzig null", "vier und dreissig", "zwei acht und neunzig", "sechzehn null sieben"] * 10
    worse = [text.replace("und", "null") if k % 2 else text for k, text in enumerate(references)]
    found = compare_translations(references, references, worse, n_bootstrap=200)
    assert list(found) == ["BLEU", "chrF++", "TER"]
    assert found["BLEU"].first > found["BLEU"].second and found["BLEU"].p_value < 0.05
    assert found["TER"].first == 0.0 < found["TER"].second
    same = compare_translations(references, worse, worse, n_bootstrap=50)
    assert {row.p_value for row in same.values()} == {1.0}
