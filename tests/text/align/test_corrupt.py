from __future__ import annotations

import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.align.corrupt import corrupt_links
from espnet_jst.text.align.synthetic import synthetic_corpus

CORPUS = {f"u{number:03d}": pair for number, pair in enumerate(synthetic_corpus(200, seed=5))}
LINKS = {key: pair.links for key, pair in CORPUS.items()}
WORDS = {key: len(pair.target) for key, pair in CORPUS.items()}


def moved(share: float, seed: int = 0) -> set[tuple[str, tuple[int, int]]]:
    found = corrupt_links(LINKS, WORDS, share, seed=seed)
    return {(key, link) for key in LINKS for link in LINKS[key] - found[key]}


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.2, 1.0])
def test_exactly_the_share_gets_another_target_word(share):
    found = corrupt_links(LINKS, WORDS, share)
    total = sum(map(len, LINKS.values()))
    assert len(moved(share)) == round(share * total)
    for key, links in found.items():
        assert len(links) == len(LINKS[key])
        assert sorted(i for i, _ in links) == sorted(i for i, _ in LINKS[key])
        assert all(0 <= j < WORDS[key] for _, j in links)


def test_what_a_smaller_share_moves_a_larger_one_moves_too():
    assert moved(0.05) < moved(0.1) < moved(0.2)


def test_the_seed_decides_and_the_order_of_the_utterances_does_not():
    backwards = {key: LINKS[key] for key in reversed(LINKS)}
    assert corrupt_links(backwards, WORDS, 0.1) == corrupt_links(LINKS, WORDS, 0.1)
    assert moved(0.1, seed=1) != moved(0.1, seed=0)


def test_a_link_without_another_place_to_go_stays():
    assert corrupt_links({"a": {(0, 0)}}, {"a": 1}, 1.0) == {"a": {(0, 0)}}


def test_bad_input_is_named():
    with pytest.raises(ConfigError, match="10"):
        corrupt_links(LINKS, WORDS, 10)
    with pytest.raises(DataError, match="u000 has links and no translation"):
        corrupt_links(LINKS, {}, 0.1)
    with pytest.raises(DataError, match="a: a link to target word 3 of 2"):
        corrupt_links({"a": {(0, 3)}}, {"a": 2}, 0.1)
