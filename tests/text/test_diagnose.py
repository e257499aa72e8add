from __future__ import annotations

import pytest

from espnet_jst.errors import DataError
from espnet_jst.text import serialize
from espnet_jst.text.align.synthetic import synthetic_corpus
from espnet_jst.text.diagnose import diagnose

SOURCE = ["er", "rief", "seine", "Mutter", "an"]
TARGET = ["he", "called", "his", "mother"]
LINKS = {(0, 0), (1, 1), (4, 1), (2, 2), (3, 3)}


def report(policy, **kwargs):
    return diagnose([serialize(SOURCE, TARGET, LINKS, policy=policy, **kwargs)], [LINKS])


def test_aligned_policies_write_no_word_too_early():
    assert report("align").premature_words == 0
    assert report("eager").premature_words == 0


def test_words_before_their_source_are_counted():
    found = report("inter", gamma=1.0)
    assert found.premature_words == found.linked_words == 4
    assert found.heard_share == 0


def test_source_first_waits_for_everything():
    found = report("inter", gamma=0.0)
    assert found.heard_share == 1.0
    assert found.extra_wait == pytest.approx((4 + 0 + 2 + 1) / 4)
    assert found.tags == 2


def test_a_burst_is_the_tag_and_the_words_of_one_moment():
    found = report("align")  # <asr> er <st> he <asr> rief seine Mutter an <st> called his mother
    assert found.bursts == [2, 4]
    assert found.longest_burst == 4


def test_bursts_can_be_counted_in_pieces():
    words = [serialize(SOURCE, TARGET, LINKS)]
    found = diagnose(words, [LINKS], labels_of=lambda burst: sum(len(word) for word in burst))
    assert found.bursts == [len("<st>he"), len("<st>calledhismother")]


def test_the_policies_order_as_published():
    corpus = synthetic_corpus(300, seed=4)
    gold = [pair.links for pair in corpus]
    reports = {}
    for name, policy, gamma in [
        ("0.0", "inter", 0.0),
        ("0.5", "inter", 0.5),
        ("block", "align", 0),
        ("eager", "eager", 0),
    ]:
        words = [serialize(pair.source, pair.target, pair.links, policy=policy, gamma=gamma) for pair in corpus]
        reports[name] = diagnose(words, gold)
    assert reports["0.0"].extra_wait > reports["block"].extra_wait >= reports["eager"].extra_wait
    assert reports["0.5"].premature_share > 0.1 > reports["block"].premature_share == 0
    assert reports["0.0"].tags_per_sentence == 2


def test_an_empty_corpus_gives_zeros():
    assert set(diagnose([], []).as_dict().values()) == {0}


def test_sentences_without_links_are_refused():
    with pytest.raises(DataError):
        diagnose([["<asr>", "a"]], [])
