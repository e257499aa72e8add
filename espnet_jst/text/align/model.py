"""A statistical word aligner: two lexicons and a position prior, trained by expectation maximisation.

IBM model 1 (Brown et al. 1993) with the null word, in both directions, under a position prior that changes in the
course of training: uniform, until the lexicon is found; the diagonal (Dyer et al. 2013, fast_align); then a mixture of
the diagonal and of what the block model says (blocks.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from espnet_jst.text.align.batches import Batch, Corpus, make_corpus
from espnet_jst.text.align.blocks import Shapes, block_posterior, estimate_shapes, initial_shapes
from espnet_jst.text.links import Link

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AlignerConfig:
    """Settings of the aligner.

    Attributes:
        uniform_iterations: EM iterations in which every position is as likely.
        diagonal_iterations: EM iterations with the diagonal prior, after those.
        block_iterations: EM iterations with the block prior, after those; 0 for the plain diagonal model.
        diagonal_tension: how steeply the diagonal prior falls (fast_align's lambda).
        null_probability: prior probability that a word has no counterpart (fast_align's p0).
        smoothing: Dirichlet prior of the lexicon (fast_align's alpha), applied as in variational Bayes.
        block_limit: most words of a block on either side.
        block_trust: share of the block model in the prior; the rest is the diagonal.
    """

    uniform_iterations: int = 2
    diagonal_iterations: int = 3
    block_iterations: int = 3
    diagonal_tension: float = 4.0
    null_probability: float = 0.08
    smoothing: float = 0.01
    block_limit: int = 3
    block_trust: float = 0.7


# As `map`: applies a function to every item, in order; perhaps on other processes.
Mapper = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


@dataclass
class _Lexicons:
    forward: Floats  # p(target word | source word) of each word pair, (P,)
    reverse: Floats  # p(source word | target word) of each word pair, (P,)
    shapes: Shapes  # the block model

    def part(self, batch: Batch) -> _Part:
        """What a batch needs of them."""
        return _Part(batch, _Lexicons(self.forward[batch.entries], self.reverse[batch.entries], self.shapes))


@dataclass
class _Part:
    """A batch and the lexicons of its word pairs: all that one step of an iteration needs."""

    batch: Batch
    lexicons: _Lexicons

    def __str__(self) -> str:
        return f"sentence pairs from {self.batch.items[0] + 1} on"


def directed_links(
    sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]], config: AlignerConfig, *, mapper: Mapper = map
) -> tuple[list[set[Link]], list[set[Link]]]:
    """Train on the pairs and align them in both directions.

    Args:
        sources: words of each source sentence.
        targets: words of each target sentence.
        config: settings.
        mapper: runs the batches of an iteration; the links do not depend on it.

    Returns:
        Forward links (each target word has at most one source word) and reverse links (each source word has at most
        one target word) of each pair, as (source position, target position).
    """
    forward: list[set[Link]] = [set() for _ in sources]
    reverse: list[set[Link]] = [set() for _ in sources]
    corpus = make_corpus(sources, targets)
    if not corpus.batches:
        return forward, reverse
    entries = len(corpus.source_of)
    lexicons = _Lexicons(
        np.ones(entries), np.ones(entries), initial_shapes(config.block_limit, alone=config.null_probability)
    )
    for kind in _schedule(config):
        lexicons = _iteration(corpus, lexicons, kind, config, mapper)
    final = "blocks" if config.block_iterations else "diagonal"
    work = partial(_decide, kind=final, config=config)
    for links in mapper(work, [lexicons.part(batch) for batch in corpus.batches]):
        for item, down, up in links:
            forward[item], reverse[item] = down, up
    return forward, reverse


def _schedule(config: AlignerConfig) -> Iterator[str]:
    yield from ["uniform"] * config.uniform_iterations
    yield from ["diagonal"] * config.diagonal_iterations
    yield from ["blocks"] * config.block_iterations


def _iteration(corpus: Corpus, lexicons: _Lexicons, kind: str, config: AlignerConfig, mapper: Mapper) -> _Lexicons:
    entries = len(corpus.source_of)
    down_counts, up_counts = np.zeros(entries), np.zeros(entries)
    shape_counts: list[Shapes] = []
    expect = partial(_expect, kind=kind, config=config)
    parts = [lexicons.part(batch) for batch in corpus.batches]
    # In the order of the batches: a sum of floats depends on it.
    for batch, (down, up, shapes) in zip(corpus.batches, mapper(expect, parts)):
        down_counts[batch.entries] += down
        up_counts[batch.entries] += up
        shape_counts += shapes
    forward = _estimate(down_counts, corpus.source_of, corpus.target_of, config.smoothing)
    reverse = _estimate(up_counts, corpus.target_of, corpus.source_of, config.smoothing)
    return _Lexicons(forward, reverse, estimate_shapes(shape_counts) if shape_counts else lexicons.shapes)


def _expect(part: _Part, *, kind: str, config: AlignerConfig) -> tuple[Floats, Floats, list[Shapes]]:
    """Expected counts of a batch: of its word pairs in both directions, (Q,) each, and of the block model."""
    pairs, entries = part.batch.pairs, len(part.batch.entries)
    down, up, shapes = _posteriors(part.batch, part.lexicons, kind, config)
    down_counts = np.bincount(pairs[:, :, 1:].ravel(), weights=down.ravel(), minlength=entries)
    up_counts = np.bincount(pairs[:, 1:, :].ravel(), weights=up.ravel(), minlength=entries)
    return down_counts.astype(np.float64), up_counts.astype(np.float64), shapes


def _decide(part: _Part, *, kind: str, config: AlignerConfig) -> list[tuple[int, set[Link], set[Link]]]:
    """Forward and reverse links of each item of a batch."""
    batch, found = part.batch, []
    down, up, _ = _posteriors(batch, part.lexicons, kind, config)
    best_source, best_target = down.argmax(axis=1), up.argmax(axis=2)  # 0 is the null word
    for row, item in enumerate(batch.items):
        n, m = int(batch.source_lengths[row]), int(batch.target_lengths[row])
        forward = {(i - 1, j) for j, i in enumerate(best_source[row, :m].tolist()) if i}
        reverse = {(i, j - 1) for i, j in enumerate(best_target[row, :n].tolist()) if j}
        found.append((item, forward, reverse))
    return found


def _estimate(counts: Floats, given: NDArray[np.int64], outcome: NDArray[np.int64], smoothing: float) -> Floats:
    """p(outcome | given) of every word pair from expected counts."""
    from scipy.special import digamma

    totals = np.bincount(given, weights=counts)
    outcomes = np.bincount(outcome, weights=counts)
    words = np.count_nonzero(outcomes)
    probability = np.exp(digamma(counts + smoothing) - digamma(totals + smoothing * words)[given])
    # The null word explains every word by its frequency. Learnt, it would come to explain a few words perfectly and
    # take those from the words that they belong to.
    probability = np.where(given == 0, (outcomes / outcomes.sum())[outcome], probability)
    return np.maximum(probability, 1e-30)


def _posteriors(
    batch: Batch, lexicons: _Lexicons, kind: str, config: AlignerConfig
) -> tuple[Floats, Floats, list[Shapes]]:
    """For each target word which source word (B, N+1, M), for each source word which target word (B, N, M+1), both
    with the null word at 0, and the counts of the block model."""
    forward = lexicons.forward[batch.pairs[:, :, 1:]]
    reverse = lexicons.reverse[batch.pairs[:, 1:, :]]
    nearness = _nearness(batch, kind, config)
    counts: list[Shapes] = []
    down_prior = _prior(nearness, 1, config.null_probability)
    up_prior = _prior(nearness, 2, config.null_probability)
    if kind == "blocks":
        blocks = block_posterior(forward, reverse, batch.source_lengths, batch.target_lengths, lexicons.shapes)
        counts.append(blocks.counts)
        trust = config.block_trust
        down_prior = (1 - trust) * down_prior + trust * _with_null(blocks.down, 1)
        up_prior = (1 - trust) * up_prior + trust * _with_null(blocks.up, 2)
    down = forward * down_prior
    down *= batch.target_mask[:, None, :] / np.maximum(down.sum(axis=1, keepdims=True), 1e-300)
    up = reverse * up_prior
    up *= batch.source_mask[:, :, None] / np.maximum(up.sum(axis=2, keepdims=True), 1e-300)
    return down, up, counts


def _nearness(batch: Batch, kind: str, config: AlignerConfig) -> Floats:
    """How near two positions are to the diagonal, (B, N, M); 0 outside of the sentences."""
    mask = batch.source_mask[:, :, None] & batch.target_mask[:, None, :]
    if kind == "uniform":
        return mask.astype(np.float64)
    i = (np.arange(mask.shape[1]) + 0.5) / batch.source_lengths[:, None]
    j = (np.arange(mask.shape[2]) + 0.5) / batch.target_lengths[:, None]
    return np.exp(-config.diagonal_tension * np.abs(i[:, :, None] - j[:, None, :])) * mask


def _prior(nearness: Floats, axis: int, null: float) -> Floats:
    """Prior over the words of `axis` with the null word in front."""
    words = (1 - null) * nearness / np.maximum(nearness.sum(axis=axis, keepdims=True), 1e-30)
    shape = list(nearness.shape)
    shape[axis] = 1
    return np.concatenate([np.full(shape, null), words], axis=axis)


def _with_null(words: Floats, axis: int) -> Floats:
    """A prior over the words of `axis`, with what it lacks to 1 in front, for the null word."""
    return np.concatenate([np.maximum(1 - words.sum(axis=axis, keepdims=True), 0.0), words], axis=axis)
