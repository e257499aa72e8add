"""Conversations whose scores were computed by hand."""

from typing import NamedTuple

import pytest

from espnet_jst.evaluation.speakers.error_rates import has_meeteval
from espnet_jst.evaluation.speakers.scores import SPEAKER_METRICS
from tests.evaluation.speakers.conversations import A, B, C, speakers

TWO = [("self", A), ("other", B)]  # five and four words
METRICS = {metric.name: metric for metric in SPEAKER_METRICS}


class Case(NamedTuple):
    """Sessions of (said, written), and errors of cpWER and ORC-WER, words of the reference, aligned words, those that
    are right by name and renamed."""

    sessions: list
    cp: int
    orc: int
    words: int
    aligned: int
    by_name: int
    renamed: int


CASES = {
    "nothing written": Case([(TWO, [])], 9, 9, 9, 0, 0, 0),
    "speakers swapped": Case([(TWO, [("other", A), ("self", B)])], 0, 0, 9, 9, 0, 9),
    # self + 4 inserted, other deleted
    "one speaker merged into the other": Case([(TWO, [("self", f"{A} {B}")])], 8, 0, 9, 9, 5, 5),
    # the first word of B is substituted, which leaves it aligned
    "three speakers rotated": Case(
        [([("a", A), ("b", B), ("c", C)], [("b", A), ("c", f"x {B[4:]}"), ("a", C)])], 1, 1, 12, 12, 0, 12
    ),
    "one speaker missing": Case([(TWO, [("self", A)])], 4, 4, 9, 5, 5, 5),
    "a speaker too many": Case([(TWO, [*TWO, ("third", "x y")])], 2, 2, 9, 9, 9, 9),
    # by ends of words: one 1, two 2, six 2, three 3, seven 3, four 4
    "words that overlap": Case(
        [
            (
                [("self", "one two tri far", 0, 4), ("other", "six sev", 1, 3)],
                [("self", "one two"), ("other", "six"), ("self", "tri"), ("other", "sev"), ("self", "far")],
            )
        ],
        *(0, 0, 6, 6, 6, 6),
    ),
    # A A B beside A B B
    "words that are repeated": Case(
        [([("self", "yes yes"), ("other", "yes")], [("self", "yes"), ("other", "yes yes")])], 0, 0, 3, 3, 2, 2
    ),
    # each session has its own pairing: the first by name, the second swapped
    "sessions of different lengths": Case(
        [([("self", "yes")], [("self", "no")]), (TWO, [("other", A), ("self", B)])], 1, 1, 10, 10, 1, 10
    ),
    "a speaker of whom nobody knows": Case([(TWO, [("self", A), ("spk:9", B)])], 0, 0, 9, 9, 5, 9),
    "words without a speaker": Case([(TWO, [("self", A), (None, B)])], 0, 0, 9, 9, 5, 5),
}


def score(name, found):
    return METRICS[name].score(found, n_bootstrap=0, seed=1).score


def percent(part, whole):
    return pytest.approx(100 * part / whole, nan_ok=True) if whole else pytest.approx(float("nan"), nan_ok=True)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_error_rate_and_attribution_are_those_computed_by_hand(case):
    found = speakers(*case.sessions)
    assert score("cpWER", found) == percent(case.cp, case.words)
    assert score("attribution", found) == percent(case.by_name, case.aligned)
    assert score("attribution, renamed", found) == percent(case.renamed, case.aligned)


@pytest.mark.skipif(not has_meeteval(), reason="meeteval is not installed")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_error_rates_of_meeteval_too(case):
    found = speakers(*case.sessions)
    assert score("ORC-WER", found) == percent(case.orc, case.words)
    assert score("tcpWER", found) == percent(case.cp, case.words)  # every word is written in its second


def geometric_mean(*precisions):
    product = 1.0
    for precision in precisions:
        product *= precision
    return 100 * product ** (1 / len(precisions))


MERGED = geometric_mean(5 / 9, 4 / 8, 3 / 7, 2 / 6)  # "one ... five" beside nine words; nine words in all on both sides
MISSING = geometric_mean(1, 1, 1, 1) * 2.718281828459045 ** (1 - 9 / 5)  # five words of nine
EXTRA = geometric_mean(9 / 11, 7 / 8, 1, 1)  # "x y" is a text of its own: two words and a pair more
EXTRA_JOINED = geometric_mean(9 / 11, 8 / 10, 7 / 9, 6 / 8)


@pytest.mark.parametrize(
    ("name", "ignored", "attributed"),
    [
        ("nothing written", 0.0, 0.0),
        ("speakers swapped", 100.0, 100.0),
        ("one speaker merged into the other", 100.0, MERGED),
        ("one speaker missing", MISSING, MISSING),
        ("a speaker too many", EXTRA_JOINED, EXTRA),
        ("a speaker of whom nobody knows", 100.0, 100.0),
    ],
)
def test_bleu_is_that_computed_by_hand(name, ignored, attributed):
    found = speakers(*CASES[name].sessions, lane="translation")
    assert score("SAgBLEU", found) == pytest.approx(ignored)
    assert score("SAtBLEU", found) == pytest.approx(attributed)
