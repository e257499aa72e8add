"""Serialized output for joint recognition and translation: one sequence for several lanes (arXiv:2307.03354).

Words of all lanes are interleaved; a tag is written where the lane changes. The order within a lane never changes, so
that `deserialize` gives the lanes back exactly.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.links import Link, clean_links
from espnet_jst.text.policies import POLICIES, block_positions, eager_positions, inter_positions, time_positions
from espnet_jst.text.tags import ASR_TAG, ST_TAG


@dataclass(frozen=True)
class Target:
    """One translation of a sentence.

    Attributes:
        tag: tag of its language, such as `<st>` or `<st:de>`.
        words: its words.
        alignment: links (source position, target position), from 0.
    """

    tag: str
    words: Sequence[str]
    alignment: Iterable[Link] = field(default=())


def serialize(
    source_words: Sequence[str],
    target_words: Sequence[str],
    alignment: Iterable[Link] = (),
    *,
    policy: str = "align",
    gamma: float = 0.5,
    ends_s: Sequence[float] | None = None,
    source_tag: str = ASR_TAG,
    target_tag: str = ST_TAG,
    max_block_words: int = 0,
    strict: bool = False,
    punctuation_rule: bool = True,
    counts: Counter[str] | None = None,
) -> list[str]:
    """Interleave a transcript and its translation.

    Args:
        source_words: transcript, n words.
        target_words: translation, m words.
        alignment: links (i, j) between source word i and target word j, from 0.
        policy: "align" (INTER ALIGN by minimal blocks), "eager" (INTER ALIGN, each target word as soon as its source
            is out), "time" (INTER TIME, needs `ends_s`), "inter" (INTER gamma, needs no links).
        gamma: for "inter": 0 source first, 1 target first, 0.5 in turn.
        ends_s: for "time": end of each source word in seconds, (n,).
        source_tag: tag before a group of source words.
        target_tag: tag before a group of target words.
        max_block_words: for "align": blocks with more words on either side are written eagerly; 0 for no limit.
        strict: a link outside the sentence is an error instead of a warning.
        punctuation_rule: ignore links between a word and a punctuation mark, and between the closing mark and
            another mark.
        counts: where given, what was repaired is added up here: `links_out_of_range`, `punctuation_links`,
            `backward_ends`, `blocks_over_limit`.

    Returns:
        Words and tags; the tag of a lane is written before its first word and wherever the lane changes.

    Raises:
        ConfigError: unknown policy, gamma outside [0, 1], equal tags.
        DataError: a word is a tag; `ends_s` is missing, of another length or not finite; `strict` and a link is
            outside the sentence.
    """
    return serialize_targets(
        source_words,
        [Target(target_tag, target_words, alignment)],
        policy=policy,
        gamma=gamma,
        ends_s=ends_s,
        source_tag=source_tag,
        max_block_words=max_block_words,
        strict=strict,
        punctuation_rule=punctuation_rule,
        counts=counts,
    )


def serialize_targets(
    source_words: Sequence[str],
    targets: Sequence[Target],
    *,
    policy: str = "align",
    gamma: float = 0.5,
    ends_s: Sequence[float] | None = None,
    source_tag: str = ASR_TAG,
    max_block_words: int = 0,
    strict: bool = False,
    punctuation_rule: bool = True,
    counts: Counter[str] | None = None,
) -> list[str]:
    """Interleave a transcript with translations into several languages (arXiv:2310.14806).

    Each translation is placed against the source on its own; where several are due, they come in the order of
    `targets`. Arguments and errors are those of `serialize`.
    """
    check_choice(policy, POLICIES, "serialization policy")
    counts = Counter() if counts is None else counts
    ends = _checked_ends(source_words, ends_s, counts) if policy == "time" else []
    n = len(source_words)
    streams: list[tuple[str, Sequence[str], Sequence[float]]] = [(source_tag, source_words, range(1, n + 1))]
    for target in targets:
        m = len(target.words)
        if policy == "inter":
            positions = inter_positions(n, m, gamma)
        else:
            links = clean_links(
                target.alignment, source_words, target.words, strict=strict, punctuation=punctuation_rule, counts=counts
            )
            if policy == "align":
                positions, over = block_positions(n, m, links, max_block_words=max_block_words)
                counts["blocks_over_limit"] += over
            elif policy == "eager":
                positions = eager_positions(n, m, links)
            else:
                positions = time_positions(ends, m, links)
        streams.append((target.tag, target.words, positions))
    return serialize_streams(streams)


def serialize_streams(streams: Iterable[tuple[str, Sequence[str], Sequence[float]]]) -> list[str]:
    """Merge any number of streams by the times of their words: languages, or speakers (t-SOT, arXiv:2202.00842).

    Args:
        streams: (tag, words, end of each word in seconds), in rank order: at equal times the earlier stream is first.
            Times that run backwards inside a stream are raised to the latest before them.

    Returns:
        Words and tags.

    Raises:
        ConfigError: two streams have the same tag.
        DataError: a word is a tag; times are missing, too many or not finite; the message names the stream.
    """
    streams = [(tag, list(words), list(ends)) for tag, words, ends in streams]
    tags = [tag for tag, _, _ in streams]
    for tag in tags:
        if tags.count(tag) > 1:
            raise ConfigError(f"two streams have the tag {tag}: give each its own")
    entries: list[tuple[float, int, str]] = []
    for rank, (tag, words, ends) in enumerate(streams):
        for word in words:
            if word in tags:
                raise DataError(f"the text of {tag} has the word {word!r}, which is a tag: remove it from the text")
        due, _ = _monotone(ends, len(words), tag)
        entries += [(end, rank, word) for end, word in zip(due, words, strict=True)]
    entries.sort(key=lambda entry: entry[:2])  # stable: the order inside a stream is kept
    serialized: list[str] = []
    for rank, group in groupby(entries, key=lambda entry: entry[1]):
        serialized.append(tags[rank])
        serialized += [word for _, _, word in group]
    return serialized


def deserialize(
    words: Iterable[str], *, source_tag: str = ASR_TAG, target_tag: str = ST_TAG
) -> tuple[list[str], list[str]]:
    """The transcript and the translation of a serialized sequence of words (not pieces).

    A repeated tag and a tag at the end do nothing; words before the first tag belong to the transcript.

    Returns:
        (source words, target words).
    """
    lanes = deserialize_streams(words, [source_tag, target_tag])
    return lanes[source_tag], lanes[target_tag]


def deserialize_streams(words: Iterable[str], tags: Sequence[str]) -> Mapping[str, list[str]]:
    """The words of each stream, by tag; words before the first tag belong to the first of `tags`."""
    lanes: dict[str, list[str]] = {tag: [] for tag in tags}
    current = tags[0]
    for word in words:
        if word in lanes:
            current = word
        else:
            lanes[current].append(word)
    return lanes


def monotone_ends(ends_s: Sequence[float]) -> tuple[list[float], int]:
    """Word ends raised to the latest before them, and how many ran backwards (forced aligners do that)."""
    ends: list[float] = []
    backward = 0
    for end in ends_s:
        if ends and end < ends[-1]:
            backward += 1
            end = ends[-1]
        ends.append(end)
    return ends, backward


def _checked_ends(words: Sequence[str], ends_s: Sequence[float] | None, counts: Counter[str]) -> list[float]:
    if ends_s is None:
        raise DataError("policy 'time' needs ends_s, the end of each source word: give word times, or use 'align'")
    ends, backward = _monotone(list(ends_s), len(words), "the source")
    counts["backward_ends"] += backward
    return ends


def _monotone(ends: Sequence[float], words: int, name: str) -> tuple[list[float], int]:
    if len(ends) != words:
        raise DataError(f"{name} has {words} words and {len(ends)} end times: give one time for each word")
    if not all(math.isfinite(end) for end in ends):
        raise DataError(f"{name} has an end time that is not a number: correct its word times")
    return monotone_ends(ends)
