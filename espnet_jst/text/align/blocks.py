"""Where the blocks of a sentence pair lie: a segmentation model over small monotone blocks.

A pair is read as a sequence of blocks of a few source and a few target words each. Inside a block every word is
explained by the words of the other side, under a position prior of the block's size (IBM model 2 inside the block, in
both directions), so that a swap which the language always makes is learnt as such. The forward-backward algorithm over
all segmentations turns this into a position prior for the whole sentence. Words that move far do not fit into any
block; for them the diagonal remains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from espnet_jst.text.align.segmentation import paths, paths_back

Floats = NDArray[np.float64]
Size = tuple[int, int]

_FLOOR = 1e-9  # probability of a word that nothing in its block explains
_FLAT = 0.05  # share of the uniform distribution in a learnt prior inside a block


@dataclass
class BlockShape:
    """What is known of blocks of p source and q target words.

    Attributes:
        share: probability of this size.
        down: for each target word of the block the prior over its source words, (p, q), columns sum to 1.
        up: for each source word of the block the prior over its target words, (p, q), rows sum to 1.
    """

    share: float
    down: Floats
    up: Floats


Shapes = dict[Size, BlockShape]


def initial_shapes(limit: int, *, alone: float) -> Shapes:
    """Blocks of up to `limit` words a side, the larger the rarer, and words without a counterpart.

    Args:
        limit: most words on either side of a block.
        alone: probability of a single word without a counterpart, both sides together.
    """
    sizes = {(p, q): float(np.exp(-p - q)) for p in range(1, limit + 1) for q in range(1, limit + 1)}
    total = sum(sizes.values()) / (1 - alone)
    shapes = {
        (p, q): BlockShape(weight / total, np.full((p, q), 1 / p), np.full((p, q), 1 / q))
        for (p, q), weight in sizes.items()
    }
    for p, q in ((0, 1), (1, 0)):
        shapes[p, q] = BlockShape(alone / 2, np.zeros((p, q)), np.zeros((p, q)))
    return shapes


@dataclass
class BlockPosterior:
    """What the block model says about a batch.

    Attributes:
        down: position prior of source word i for target word j, (B, N, M); what lacks to 1 is the null word's.
        up: position prior of target word j for source word i, (B, N, M).
        counts: expected number of blocks of each size and of the links inside them, as unnormalised shapes.
    """

    down: Floats
    up: Floats
    counts: Shapes


def block_posterior(
    forward: Floats,
    reverse: Floats,
    source_lengths: NDArray[np.int64],
    target_lengths: NDArray[np.int64],
    shapes: Shapes,
) -> BlockPosterior:
    """Sum over all segmentations of each pair.

    Args:
        forward: p(target word j | source word i), (B, N+1, M), row 0 for the null word.
        reverse: p(source word i | target word j), (B, N, M+1), column 0 for the null word.
        source_lengths: (B,).
        target_lengths: (B,).
        shapes: the model.
    """
    b, n, m = forward.shape[0], reverse.shape[1], forward.shape[2]
    scores = {size: _block_scores(forward, reverse, size, shape) for size, shape in shapes.items()}
    alpha = paths(scores, b, n, m)
    beta = paths_back(scores, b, n, m, source_lengths, target_lengths)
    total = alpha[np.arange(b), source_lengths, target_lengths][:, None, None]
    result = BlockPosterior(np.zeros((b, n, m)), np.zeros((b, n, m)), {})
    for (p, q), score in scores.items():
        rows, columns = n + 1 - p, m + 1 - q
        gamma = np.exp(alpha[:, :rows, :columns] + score + beta[:, p:, q:] - total)
        result.counts[p, q] = _spread(gamma, forward, reverse, shapes[p, q], result)
    return result


def estimate_shapes(counts: list[Shapes]) -> Shapes:
    """The model that expected counts stand for."""
    total = sum(shape.share for shapes in counts for shape in shapes.values())
    estimated: Shapes = {}
    for p, q in counts[0]:
        share = sum(shapes[p, q].share for shapes in counts)
        down = np.sum([shapes[p, q].down for shapes in counts], axis=0)
        up = np.sum([shapes[p, q].up for shapes in counts], axis=0)
        down = (1 - _FLAT) * down / np.maximum(down.sum(axis=0, keepdims=True), 1e-30) + _FLAT / max(p, 1)
        up = (1 - _FLAT) * up / np.maximum(up.sum(axis=1, keepdims=True), 1e-30) + _FLAT / max(q, 1)
        estimated[p, q] = BlockShape(max(share / total, 1e-6), down, up)
    return estimated


def _block_scores(forward: Floats, reverse: Floats, size: Size, shape: BlockShape) -> Floats:
    """Log score of the block of p by q words after i source and j target words, (B, N+1-p, M+1-q)."""
    p, q = size
    rows, columns = reverse.shape[1] + 1 - p, forward.shape[2] + 1 - q
    score = np.full((forward.shape[0], max(rows, 0), max(columns, 0)), np.log(shape.share))
    if not score.size:
        return score
    for dj in range(q):
        score += np.log(np.maximum(_explained_target(forward, shape, dj, rows, columns), _FLOOR))
    for di in range(p):
        score += np.log(np.maximum(_explained_source(reverse, shape, di, rows, columns), _FLOOR))
    return score


def _explained_target(forward: Floats, shape: BlockShape, dj: int, rows: int, columns: int) -> Floats:
    """Probability of target word dj of each block, given the block's source words (the null word where it has none)."""
    if not len(shape.down):
        return np.repeat(forward[:, :1, dj : dj + columns], rows, axis=1)
    total = np.zeros((forward.shape[0], rows, columns))
    for di, weight in enumerate(shape.down[:, dj]):
        total += weight * forward[:, 1 + di : 1 + di + rows, dj : dj + columns]
    return total


def _explained_source(reverse: Floats, shape: BlockShape, di: int, rows: int, columns: int) -> Floats:
    """Probability of source word di of each block, given the block's target words."""
    if not shape.up.shape[1]:
        return np.repeat(reverse[:, di : di + rows, :1], columns, axis=2)
    total = np.zeros((reverse.shape[0], rows, columns))
    for dj, weight in enumerate(shape.up[di]):
        total += weight * reverse[:, di : di + rows, 1 + dj : 1 + dj + columns]
    return total


def _spread(gamma: Floats, forward: Floats, reverse: Floats, shape: BlockShape, result: BlockPosterior) -> BlockShape:
    """Add the blocks of one size to the position priors, and count the links inside them."""
    (p, q), (_, rows, columns) = shape.down.shape, gamma.shape
    down, up = np.zeros((p, q)), np.zeros((p, q))
    if not gamma.size or not p * q:
        return BlockShape(float(gamma.sum()), down, up)
    shares_down = [gamma / np.maximum(_explained_target(forward, shape, dj, rows, columns), _FLOOR) for dj in range(q)]
    shares_up = [gamma / np.maximum(_explained_source(reverse, shape, di, rows, columns), _FLOOR) for di in range(p)]
    for di in range(p):
        for dj in range(q):
            result.down[:, di : di + rows, dj : dj + columns] += shape.down[di, dj] * gamma
            result.up[:, di : di + rows, dj : dj + columns] += shape.up[di, dj] * gamma
            likely = forward[:, 1 + di : 1 + di + rows, dj : dj + columns]
            down[di, dj] = shape.down[di, dj] * np.vdot(shares_down[dj], likely)
            likely = reverse[:, di : di + rows, 1 + dj : 1 + dj + columns]
            up[di, dj] = shape.up[di, dj] * np.vdot(shares_up[di], likely)
    return BlockShape(float(gamma.sum()), down, up)
