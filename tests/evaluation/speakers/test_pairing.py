"""The pairing of speakers is the best one: against all permutations, and against meeteval where it is installed."""

import itertools
import random

import pytest
from sacrebleu.metrics import BLEU

from espnet_jst.evaluation.speakers.bleu import attributed, best_pairing
from espnet_jst.evaluation.speakers.error_rates import cp_errors, tcp_errors
from espnet_jst.evaluation.speakers.sessions import beside
from tests.evaluation.speakers.conversations import speakers


def edits(reference, hypothesis):
    """Edit distance, by the textbook."""
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference, 1):
        before, row = row, [i]
        for k, found in enumerate(hypothesis, 1):
            row.append(min(before[k] + 1, row[-1] + 1, before[k - 1] + (wanted != found)))
    return row[-1]


def conversation(chance):
    """Turns of up to four speakers on each side, of few words."""

    def turns(names):
        number = chance.randint(1, 6)
        return [
            (chance.choice(names), " ".join(chance.choices("abcde", k=chance.randint(1, 4)))) for _ in range(number)
        ]

    return turns("ABCD"[: chance.randint(1, 4)]), turns("BCDE"[: chance.randint(1, 4)])


def permuted(session):
    """Errors of the best of all permutations."""
    said, written = (list(side.values()) for side in (session.reference(), session.hypothesis()))
    size = max(len(said), len(written))
    said, written = ([text.split() for text in side] + [[]] * (size - len(side)) for side in (said, written))
    return min(sum(map(edits, said, order)) for order in itertools.permutations(written))


def test_errors_are_those_of_the_best_permutation():
    chance = random.Random(1)
    found = speakers(*(conversation(chance) for _ in range(60)))
    assert [cp_errors(session, found.texts) for session in found.sessions] == list(map(permuted, found.sessions))


def test_errors_are_meeteval_s():
    meeteval = pytest.importorskip("meeteval")
    chance = random.Random(2)
    found = speakers(*(conversation(chance) for _ in range(60)))
    for session in found.sessions:
        theirs = meeteval.wer.cp_word_error_rate(session.reference(), session.hypothesis())
        assert cp_errors(session, found.texts) == theirs.errors


def test_a_word_that_comes_a_minute_late_is_deleted_and_inserted():
    pytest.importorskip("meeteval")
    pair = ([("A", "a b c")], [("A", "a b c")])
    for late_s, errors in ((0.0, 0), (4.0, 0), (60.0, 6)):
        found = speakers(pair, late_s=late_s)
        assert tcp_errors(found.sessions[0], found.texts) == errors


def test_bleu_is_sacrebleu_s_of_the_best_permutation():
    said = ["the cat sat on the mat", "he went home early that day", "yes of course it is so"]
    written = ["he went home early today", "yes of course it was so", "the cat sat on a mat"]
    names = "ABC"
    pair = (list(zip(names, said, strict=True)), list(zip(names, written, strict=True)))
    rows, score, _ = attributed(speakers(pair, lane="translation"))
    best = max(BLEU().corpus_score(list(order), [said]).score for order in itertools.permutations(written))
    assert score(rows.sum(axis=0)) == pytest.approx(best)


def test_many_speakers_are_paired_by_what_they_share():
    texts = speakers(([], []), lane="translation").texts
    said = [f"speaker number {k} says word {k} and word {k} again" for k in range(9)]
    order = [3, 1, 8, 0, 2, 7, 5, 4, 6]
    found = best_pairing(texts, said, [said[place] for place in order])
    assert [order[place] for place in found] == list(range(9))


def test_speakers_of_the_same_name_come_first():
    assert beside(["a", "b"], ["b", "x"]) == [("a", "x"), ("b", "b")]
    assert beside(["a"], ["x", "a", "y"]) == [("a", "a"), (None, "x"), (None, "y")]
    assert beside(["a", "b", "c"], ["b"]) == [("a", None), ("b", "b"), ("c", None)]


def test_in_scripts_without_blanks_a_character_counts():
    pair = ([("A", "今天天气好"), ("B", "是的")], [("B", "今天天气"), ("A", "是的")])
    found = speakers(pair, language="zh")
    assert cp_errors(found.sessions[0], found.texts) == 1
