"""Words of an unsegmented recording cut at its reference segments: the soft segmentation of arXiv:2509.17349, sec. 5.

Words written and words of the references are aligned so that their similarity is highest, without a price for gaps; a
word that has no partner goes with the neighbouring reference word that is more like it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

MARKS = frozenset(".!?,;:-()。！？，；：—（）ー")
_PAIR, _REFERENCE, _WRITTEN = range(3)  # steps back: in both, in the references alone, in what was written alone


def places_of(references: Sequence[Sequence[str]], written: Sequence[str], *, characters: bool = False) -> list[int]:
    """The segment that each word written belongs to.

    Args:
        references: words of each segment, in order of time; at least one of them has words.
        written: words of the recording, (n,).
        characters: whether a word is a character, which is like another one or not.

    Returns:
        Indices of segments, (n,), never decreasing; of segments without words none.
    """
    said = [word for segment in references for word in segment]
    owners = [place for place, segment in enumerate(references) for _ in segment]
    table, rows = _similarities(said, written, characters)
    pairs = _aligned(table, rows)
    found: list[int] = []
    before: int | None = None  # the reference word passed last
    ahead: int | None = None  # the one that words in a gap go to, once one of them is more like it
    for place, (reference, word) in enumerate(pairs):
        if reference is not None:
            before, ahead = reference, None
        elif ahead is None and word is not None:
            after = next((r for r, _ in pairs[place:] if r is not None), None)
            if after is not None and (before is None or table[rows[after], word] > table[rows[before], word]):
                ahead = after
        if word is not None:
            owner = reference if reference is not None else ahead if ahead is not None else before
            assert owner is not None
            found.append(owners[owner])
    return found


def _similarities(said: Sequence[str], written: Sequence[str], characters: bool) -> tuple[np.ndarray, list[int]]:
    """How much each word written, (n,), is like every different word of the references, (words, n), and the row of each
    word of the references."""
    texts, others = ([_plain(word) for word in words] for words in (said, written))
    rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    columns = {text: column for column, text in enumerate(dict.fromkeys(others))}
    table = np.array([[_similarity(one, other, characters) for other in columns] for one in rows])
    return table[:, [columns[text] for text in others]], [rows[text] for text in texts]


def _similarity(one: str, other: str, characters: bool) -> float:
    """Share of common characters (Jaccard); a mark of punctuation is like marks alone."""
    if (one in MARKS) != (other in MARKS):
        return -np.inf
    if characters:
        return float(one == other)
    return len({*one} & {*other}) / max(1, len({*one} | {*other}))


def _plain(word: str) -> str:
    return unicodedata.normalize("NFKC", word).lower()


def _aligned(table: np.ndarray, rows: Sequence[int]) -> list[tuple[int | None, int | None]]:
    """The best way through both sequences: pairs of places, None for a gap. Of equally good ways the one that, from the
    end, pairs first, then leaves out words of the references."""
    count = table.shape[1]
    steps = np.full((len(rows) + 1, count + 1), _WRITTEN, dtype=np.int8)
    steps[1:, 0] = _REFERENCE
    best = np.zeros(count + 1)
    for place, row in enumerate(rows, 1):
        paired, above = best[:-1] + table[row], best[1:]
        now = np.concatenate([[0.0], np.maximum.accumulate(np.maximum(np.maximum(paired, above), 0.0))])
        beside = now[:-1]
        steps[place, 1:] = np.where(
            (paired >= above) & (paired >= beside), _PAIR, np.where(above >= beside, _REFERENCE, _WRITTEN)
        )
        best = now
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(rows), count
    while i or j:
        step = steps[i, j]
        i, j = i - (step != _WRITTEN), j - (step != _REFERENCE)
        pairs.append((None if step == _WRITTEN else i, None if step == _REFERENCE else j))
    return pairs[::-1]
