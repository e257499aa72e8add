"""What holds for every pair of sentences, 10,000 random cases each."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_jst.text import deserialize, serialize, serialize_streams
from espnet_jst.text.serialize import deserialize_streams
from tests.reference import serialization as reference

# One draw of raw bytes a case: ten times faster than composed strategies, and it still shrinks.
CASES = settings(max_examples=10_000, deadline=None, database=None)
SEEDS = st.binary(min_size=32, max_size=32)


def pair(seed):
    """Words, links and rough times from 32 bytes; small lengths and many ties on purpose."""
    n, m = seed[0] % 8, seed[1] % 8
    count = seed[2] % 9 if n and m else 0
    links = {(seed[4 + 2 * k] % n, seed[5 + 2 * k] % m) for k in range(count)}
    return [f"s{i}" for i in range(n)], [f"t{j}" for j in range(m)], links, [seed[22 + i] % 6 / 2 for i in range(n)]


def output(seed):
    """One policy a case, drawn with the rest."""
    source, target, links, ends = pair(seed)
    policy = ("align", "eager", "time", "inter")[seed[30] % 4]
    limit, gamma = seed[31] % 4, seed[31] % 21 / 20
    return policy, serialize(source, target, links, policy=policy, ends_s=ends, gamma=gamma, max_block_words=limit)


@CASES
@given(SEEDS)
def test_both_lanes_come_back_and_tags_stand_only_where_the_lane_changes(seed):
    source, target, _, _ = pair(seed)
    _, words = output(seed)
    assert deserialize(words) == (source, target)
    shape = "".join(word[0] for word in words)  # "<" for a tag, "s" and "t" for words
    assert re.fullmatch("(<s+(<t+<s+)*(<t+)?|<t+(<s+<t+)*(<s+)?)?", shape)


@CASES
@given(SEEDS)
def test_no_target_word_comes_before_its_source_words(seed):
    _, _, links, _ = pair(seed)
    policy, words = output(seed[:30] + bytes([seed[30] % 3, seed[31]]))
    place = {word: index for index, word in enumerate(words)}
    assert policy != "inter"
    assert all(place[f"s{i}"] < place[f"t{j}"] for i, j in links)


@settings(CASES, max_examples=2_500)  # four comparisons each
@given(SEEDS)
def test_every_policy_equals_its_definition(seed):
    source, target, links, ends = pair(seed)
    gamma = seed[30] % 21 / 20
    eager_ends = list(range(1, len(source) + 1))
    assert serialize(source, target, links) == reference.block(source, target, links)
    assert serialize(source, target, links, policy="eager") == reference.time(source, target, links, eager_ends)
    assert serialize(source, target, links, policy="time", ends_s=ends) == reference.time(source, target, links, ends)
    assert serialize(source, target, policy="inter", gamma=gamma) == reference.inter(source, target, gamma)


@CASES
@given(SEEDS)
def test_streams_come_back_whatever_their_number(seed):
    lengths = [byte % 5 for byte in seed[: 1 + seed[0] % 4]]
    streams = [
        (f"<{k}>", [f"{k}.{i}" for i in range(length)], [seed[8 + 5 * k + i] % 7 for i in range(length)])
        for k, length in enumerate(lengths)
    ]
    lanes = deserialize_streams(serialize_streams(streams), [tag for tag, _, _ in streams])
    assert lanes == {tag: words for tag, words, _ in streams}
