import math
import random

import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.evaluation.matching import matching_words
from espnet_jst.evaluation.metrics.error_rate import edit_score
from tests.evaluation.decoded import translation_scores
from tests.reference.edit_distance import edit_distance


def random_pairs(seed, n=60):
    rng = random.Random(seed)
    words = ["zwei", "und", "vierzig", "null", "ein"]
    return [tuple(" ".join(rng.choices(words, k=rng.randrange(0, 7))) for _ in range(2)) for _ in range(n)]


@pytest.mark.parametrize("unit", ["word", "char"])
def test_error_rates_agree_with_the_full_table(unit):
    pairs = random_pairs(3)
    found = edit_score([a for a, _ in pairs], [b for _, b in pairs], unit=unit)
    split = str.split if unit == "word" else list
    expected = [(edit_distance(split(a), split(b)), len(split(a))) for a, b in pairs]
    assert list(found.per_utterance) == expected
    assert found.errors == sum(errors for errors, _ in expected)
    assert found.rate == pytest.approx(100 * found.errors / sum(total for _, total in expected))
    assert found.sentence_errors == sum(errors > 0 for errors, _ in expected)


def test_an_empty_hypothesis_is_all_deletions_and_an_empty_reference_all_insertions():
    found = edit_score(["a b", ""], ["", "c"])
    assert (found.deletions, found.insertions, found.substitutions, found.rate) == (2, 1, 0, 150.0)


def test_empty_against_empty_is_no_error_and_words_against_nothing_are_undefined():
    assert edit_score([""], [""]).rate == 0.0
    assert math.isnan(edit_score([""], ["a"]).rate)


def test_extra_blanks_do_not_count():
    assert edit_score(["a  b "], [" a b"], unit="char").rate == 0.0


def test_lists_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="2 references and 1 hypotheses"):
        edit_score(["a", "b"], ["a"])
    with pytest.raises(DataError, match="0 references"):
        translation_scores([], [])


def test_an_unknown_unit_is_refused():
    with pytest.raises(ConfigError, match="word"):
        edit_score(["a"], ["a"], unit="words")


def test_matching_words_are_equal_and_as_many_as_the_hits():
    for reference, hypothesis in random_pairs(5):
        pairs = matching_words(reference.split(), hypothesis.split())
        assert all(reference.split()[i] == hypothesis.split()[j] for i, j in pairs)
        assert pairs == sorted(set(pairs))
        assert len(pairs) == edit_score([reference], [hypothesis]).hits
