"""Sentence pairs as padded batches of word-pair indices, so that numpy does the inner loops of the aligner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BATCH_CELLS = 30_000  # bounds the memory of one step


@dataclass
class Batch:
    """B sentence pairs of at most N source and M target words; position 0 is the null word on both sides.

    Attributes:
        items: index of each pair in the corpus, (B,).
        source_lengths: (B,).
        target_lengths: (B,).
        pairs: source word i and target word j as an index into `entries`, (B, N+1, M+1).
        entries: word pairs of the batch as indices into the lexicon of the corpus, (Q,).
        source_mask: real source words, (B, N).
        target_mask: real target words, (B, M).
    """

    items: list[int]
    source_lengths: NDArray[np.int64]
    target_lengths: NDArray[np.int64]
    pairs: NDArray[np.int64]
    entries: NDArray[np.int64]

    def __post_init__(self) -> None:
        _, n, m = self.pairs.shape
        self.source_mask = np.arange(n - 1) < self.source_lengths[:, None]
        self.target_mask = np.arange(m - 1) < self.target_lengths[:, None]


@dataclass
class Corpus:
    """A parallel corpus in numbers.

    Attributes:
        batches: every pair with words on both sides.
        source_of: source word of each entry of the lexicon, (P,); 0 is the null word.
        target_of: target word of each entry of the lexicon, (P,); 0 is the null word.
    """

    batches: list[Batch]
    source_of: NDArray[np.int64]
    target_of: NDArray[np.int64]


def make_corpus(sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]]) -> Corpus:
    """Index the words, sort the pairs by length, cut them into batches and list the word pairs that occur."""
    (source_ids, _), (target_ids, target_words) = _index(sources), _index(targets)
    batches: list[Batch] = []
    for items in _groups([len(s) for s in sources], [len(t) for t in targets]):
        source, source_lengths = _pad([source_ids[k] for k in items])
        target, target_lengths = _pad([target_ids[k] for k in items])
        keys = source[:, :, None] * target_words + target[:, None, :]
        own, pairs = np.unique(keys, return_inverse=True)
        batches.append(Batch(items, source_lengths, target_lengths, pairs.reshape(keys.shape), own))
    lexicon = np.unique(np.concatenate([b.entries for b in batches])) if batches else np.zeros(0, np.int64)
    for batch in batches:
        batch.entries = np.searchsorted(lexicon, batch.entries)
    return Corpus(batches, lexicon // target_words, lexicon % target_words)


def _index(sentences: Sequence[Sequence[str]]) -> tuple[list[list[int]], int]:
    """Numbers of the words from 1, and how many there are with the null word."""
    ids: dict[str, int] = {}
    found = [[ids.setdefault(word, len(ids) + 1) for word in sentence] for sentence in sentences]
    return found, len(ids) + 1


def _groups(source_lengths: Sequence[int], target_lengths: Sequence[int]) -> Iterator[list[int]]:
    """Pairs of similar length; pairs with an empty side are in none."""
    order = [k for k in range(len(source_lengths)) if source_lengths[k] and target_lengths[k]]
    order.sort(key=lambda k: (max(source_lengths[k], target_lengths[k]), source_lengths[k], k))
    group: list[int] = []
    widest = 0
    for k in order:
        cells = (source_lengths[k] + 1) * (target_lengths[k] + 1)
        if group and max(widest, cells) * (len(group) + 1) > _BATCH_CELLS:
            yield group
            group, widest = [], 0
        group.append(k)
        widest = max(widest, cells)
    if group:
        yield group


def _pad(sentences: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(ids with the null word in front and 0 behind, lengths)."""
    lengths = np.array([len(sentence) for sentence in sentences])
    padded = np.zeros((len(sentences), int(lengths.max()) + 1), np.int64)
    padded[:, 1:][np.arange(int(lengths.max())) < lengths[:, None]] = np.concatenate(sentences)
    return padded, lengths
