from __future__ import annotations

import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text import align_corpus, serialize
from espnet_jst.text.align.model import AlignerConfig
from espnet_jst.text.align.scores import aer, alignment_score
from espnet_jst.text.align.synthetic import synthetic_corpus
from tests.reference.digit_pairs import digit_corpus


def test_ten_thousand_synthetic_pairs_are_aligned_with_few_errors():
    corpus = synthetic_corpus(10_000)
    found = align_corpus([pair.source for pair in corpus], [pair.target for pair in corpus], symmetrization="forward")
    assert aer(found, [pair.links for pair in corpus]) <= 0.05


@pytest.mark.parametrize("symmetrization", ["grow-diag-final-and", "intersect", "forward", "reverse"])
def test_a_small_synthetic_corpus_is_aligned_with_few_errors(symmetrization):
    corpus = synthetic_corpus(700, seed=1)
    found = align_corpus(
        [pair.source for pair in corpus], [pair.target for pair in corpus], symmetrization=symmetrization
    )
    assert aer(found, [pair.links for pair in corpus]) <= 0.06


def test_digit_pairs_are_serialized_as_by_construction():
    sources, targets, gold = zip(*digit_corpus(2_000, seed=0))
    found = align_corpus(sources, targets)
    same = sum(
        serialize(source, target, links) == serialize(source, target, truth)
        for source, target, links, truth in zip(sources, targets, found, gold)
    )
    assert same >= 0.96 * len(gold)
    assert alignment_score(found, gold).recall >= 0.98


def test_the_block_prior_is_what_orders_the_digits():
    sources, targets, gold = zip(*digit_corpus(800, seed=3))
    diagonal = align_corpus(sources, targets, config=AlignerConfig(block_iterations=0), symmetrization="reverse")
    blocks = align_corpus(sources, targets, symmetrization="reverse")
    assert aer(blocks, gold) < 0.3 * aer(diagonal, gold)


def test_the_same_corpus_gives_the_same_links():
    corpus = synthetic_corpus(50, seed=2)
    sides = [pair.source for pair in corpus], [pair.target for pair in corpus]
    assert align_corpus(*sides) == align_corpus(*sides)


def test_case_and_attached_punctuation_do_not_matter():
    plain = align_corpus([["ja", "gut"], ["gut"], ["ja"]] * 5, [["good", "yes"], ["good"], ["yes"]] * 5)
    dressed = align_corpus([["Ja,", "gut!"], ["Gut"], ["ja."]] * 5, [["good", "Yes"], ["Good."], ["yes"]] * 5)
    assert plain == dressed
    assert plain[0] == {(0, 1), (1, 0)}


def test_no_word_is_linked_to_a_punctuation_mark():
    sources = [["ja", "."], ["nein", "."], ["doch", "."]] * 5
    targets = [["yes", "."], ["no", "."], ["."]] * 5
    for source, target, links in zip(sources, targets, align_corpus(sources, targets)):
        assert all((source[i] == ".") == (target[j] == ".") for i, j in links)


def test_an_empty_side_has_no_links():
    assert align_corpus([[], ["a"], ["b"]], [["A"], [], ["B"]]) == [set(), set(), {(0, 0)}]
    assert align_corpus([], []) == []
    assert align_corpus([[]], [[]]) == [set()]


def test_sentences_of_very_different_lengths_are_aligned_together():
    sources = [[f"s{k}" for k in range(n)] for n in (1, 40, 3, 200)]
    targets = [[f"t{k}" for k in range(n)] for n in (2, 40, 90, 200)]
    found = align_corpus(sources, targets)
    assert all(i < len(s) and j < len(t) for s, t, links in zip(sources, targets, found) for i, j in links)
    assert found[1]


def test_unequal_corpora_are_refused():
    with pytest.raises(DataError, match="1 source and 2 target"):
        align_corpus([["a"]], [["b"], ["c"]])


def test_a_text_instead_of_words_is_refused():
    with pytest.raises(DataError, match="list of words"):
        align_corpus(["ja gut"], [["yes"]])


def test_an_unknown_symmetrization_is_refused():
    with pytest.raises(ConfigError, match="intersect"):
        align_corpus([["a"]], [["b"]], symmetrization="intersection")


def test_the_generator_has_a_thousand_words_in_zipf_order_and_gold_links():
    corpus = synthetic_corpus(10_000)
    counts: dict[str, int] = {}
    for pair in corpus:
        assert all(i < len(pair.source) and j < len(pair.target) for i, j in pair.links)
        for word in pair.source:
            counts[word] = counts.get(word, 0) + 1
    assert 900 <= len(counts) <= 1_100
    assert 1.6 < counts["nomen0"] / counts["nomen1"] < 2.4  # Zipf: the second word is half as frequent
    assert any(word in ("an", "auf") and pair.source[-2] == word for pair in corpus for word in pair.source)
