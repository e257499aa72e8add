"""Word links made safe for serialization: inside the sentence, and no link between a word and a punctuation mark."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from espnet_jst.errors import DataError

Link = tuple[int, int]

# Unicode calls these punctuation; they are spoken, so they are words.
_SPOKEN = frozenset("%&@#§‰*")

logger = logging.getLogger(__name__)


def is_punctuation(word: str) -> bool:
    """Whether a word consists of punctuation marks only."""
    return bool(word) and all(unicodedata.category(c).startswith("P") and c not in _SPOKEN for c in word)


def clean_links(
    links: Iterable[Link],
    source_words: Sequence[str],
    target_words: Sequence[str],
    *,
    strict: bool = False,
    punctuation: bool = True,
    counts: Counter[str] | None = None,
) -> set[Link]:
    """Links (source index, target index) that can be used.

    Args:
        links: pairs of word positions, counted from 0.
        source_words: n words.
        target_words: m words.
        strict: a link outside the sentence is an error; otherwise it is dropped with a warning.
        punctuation: drop links between a word and a punctuation mark, and between closing punctuation (the marks at
            the end of the sentence) and any other mark: one such link would merge the whole sentence into one block.
        counts: where given, `links_out_of_range` and `punctuation_links` are added up here.

    Raises:
        DataError: `strict`, and a link is outside the sentence.
    """
    n, m = len(source_words), len(target_words)
    all_links = {(int(i), int(j)) for i, j in links}
    inside = {(i, j) for i, j in all_links if 0 <= i < n and 0 <= j < m}
    if len(inside) < len(all_links):
        outside = sorted(all_links - inside)
        message = (
            f"{len(outside)} links outside of a pair of {n} source and {m} target words (first: "
            f"{outside[0][0]}-{outside[0][1]}): align the text that is serialized, after the same normalization"
        )
        if strict:
            raise DataError(message)
        logger.warning("%s; dropped", message)
    kept = drop_punctuation_links(inside, source_words, target_words) if punctuation else inside
    if counts is not None:
        counts["links_out_of_range"] += len(all_links) - len(inside)
        counts["punctuation_links"] += len(inside) - len(kept)
    return kept


def drop_punctuation_links(links: set[Link], source_words: Sequence[str], target_words: Sequence[str]) -> set[Link]:
    """The links without those that tie a word to a mark, or closing punctuation to a mark inside the sentence."""
    source = _kinds(source_words)
    target = _kinds(target_words)
    return {(i, j) for i, j in links if source[i] == target[j]}


def _kinds(words: Sequence[str]) -> list[str]:
    kinds = ["mark" if is_punctuation(word) else "word" for word in words]
    for index in range(len(words) - 1, -1, -1):
        if kinds[index] == "word":
            break
        kinds[index] = "closing mark"
    return kinds
