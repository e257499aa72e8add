"""RIBES: the order of words beside what they are."""

from __future__ import annotations

import json
import random
import time
from dataclasses import replace

import pytest

from espnet_jst.evaluation import score_directory, write_results
from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.evaluation.metrics.word_order import order, ribes, word_pairs
from tests.evaluation.decoded import lane_texts, make_decoded, make_reference
from tests.recipe.digits import german_numbers
from tests.reference.ribes import ribes as plain_ribes

REFERENCE = ["zwei", "und", "vierzig", "sieben"]


@pytest.mark.parametrize("words", [3, 8, 40])  # many words twice, some, hardly any
def test_it_is_the_plain_reference(words):
    draw = random.Random(words)
    vocabulary = [str(word) for word in range(words)]
    for _ in range(300):
        reference = draw.choices(vocabulary, k=draw.randint(1, 9))
        hypothesis = draw.sample(reference, draw.randint(0, len(reference)))
        hypothesis[1:1] = draw.choices(vocabulary, k=draw.randint(0, 2))
        assert ribes(reference, hypothesis)[0] == pytest.approx(plain_ribes(reference, hypothesis)), (
            reference,
            hypothesis,
        )


@pytest.mark.parametrize(
    ("hypothesis", "score"),
    [
        # What NLTK 3.10.4 gives for texts without repeated words.
        ("zwei und vierzig sieben", 1.0),
        ("vierzig und zwei sieben", 0.5),
        ("sieben zwei und vierzig", 0.5),
        ("zwei vierzig", 0.9048374180359595),
        ("sieben vierzig und zwei", 0.0),
    ],
)
def test_published_values_are_met(hypothesis, score):
    assert ribes(REFERENCE, hypothesis.split())[0] == pytest.approx(score)


@pytest.mark.parametrize("text", ["neun", "neun neun neun", "ein und zwanzig ein und zwanzig", "a b a b a"])
def test_a_text_equal_to_its_reference_has_1_whatever_it_repeats(text):
    assert ribes(text.split(), text.split()) == (1.0, 1.0)


@pytest.mark.parametrize(("reference", "hypothesis"), [("a b", ""), ("a b", "c d"), ("a b c", "b"), ("a", "b c")])
def test_without_two_words_to_compare_it_is_0(reference, hypothesis):
    assert ribes(reference.split(), hypothesis.split()) == (0.0, 0.0)


def test_a_repeated_word_is_told_by_its_neighbours():
    assert word_pairs(["a", "x", "b", "a", "y"], ["a", "y", "a", "x"]) == [3, 4, 0, 1]


def test_the_share_of_ascending_pairs_is_counted():
    assert order([0, 1, 2, 3]) == 1.0
    assert order([3, 2, 1, 0]) == 0.0
    assert order([1, 2, 3, 0]) == pytest.approx(3 / 6)


def test_a_verb_that_is_translated_in_place_instead_of_last_costs_order_and_no_words():
    digits = [4, 2, 7, 1]
    wanted, _ = german_numbers.rotate(digits, 4)
    in_place = [german_numbers.UNITS[digit] for digit in digits]
    score, alone = ribes(wanted, in_place)
    assert score == alone == pytest.approx(3 / 6)
    wrong_word = [*wanted[:-1], "neun"]
    assert ribes(wanted, wrong_word) == (pytest.approx(0.75**0.25), 1.0)


def test_a_decoder_that_repeats_itself_does_not_stop_the_scores():
    begun = time.perf_counter()
    assert ribes(["na"] * 500, ["na"] * 3000)[1] == 1.0
    assert time.perf_counter() - begun < 5.0


def test_case_counts_unless_it_is_ignored():
    scores = [
        METRICS["RIBES"].score(lane_texts(["Der Mann"], ["der mann"], lowercase=lowercase))
        for lowercase in (True, False)
    ]
    assert [score.score for score in scores] == [1.0, 0.0]
    assert "case:lc" in scores[0].details["signature"] and "case:mixed" in scores[1].details["signature"]


def test_an_utterance_without_a_reference_weighs_nothing():
    rows, score, _ = METRICS["RIBES"].statistics(lane_texts(["a b", "", "a b"], ["a b", "c", ""]))
    assert rows.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    assert score(rows.sum(axis=0)) == 0.5


def test_of_several_references_the_best_counts():
    texts = replace(lane_texts(["a b c", "d e"], ["c a b", "d e"]), further=(("b c a", "e d"), ("c a b", "")))
    score = METRICS["RIBES"].score(texts)
    assert score.score == 1.0 and score.details["signature"].startswith("nrefs:3|")


def test_scores_json_and_results_have_it_with_interval_and_order(tmp_path):
    folders = make_decoded(tmp_path / "exp" / "st_a" / "decode" / "test"), make_reference(tmp_path / "dump" / "test")
    score_directory(*folders, src_lang="en", tgt_lang="de", n_bootstrap=50)
    entry = json.loads((folders[0] / "scores.json").read_text("utf-8"))["lanes"]["translation"]["quality"]["RIBES"]
    assert 0.0 <= entry["low"] < entry["score"] < entry["high"] <= 1.0 and entry["order"] == pytest.approx(
        2 / 3, abs=1e-4
    )
    results = write_results(tmp_path / "exp").read_text("utf-8")
    assert "### RIBES\n\n|dataset|score|order alone|" in results and "- RIBES: `nrefs:1|case:lc|" in results
