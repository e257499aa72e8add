"""Where the blocks of a sentence pair lie: a segmentation model over small monotone blocks.

A pair is read as a sequence of blocks of a few source and a few target words each; inside a block every word is
explained by the words of the other side (IBM model 1 in both directions). The forward-backward algorithm over all
segmentations gives the probability that two words stand in the same block: a position prior that knows which words
translate together, where the diagonal knows only about where. Words that move far are left to the diagonal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_FLOOR = 1e-9  # a word that nothing in its block explains
_NO_PATH = -1e30


def initial_sizes(limit: int) -> Floats:
    """Probabilities of blocks of p source and q target words, (limit+1, limit+1): the larger, the rarer."""
    p, q = np.meshgrid(np.arange(limit + 1), np.arange(limit + 1), indexing="ij")
    sizes = np.exp(-1.0 * (p + q)) * ((p > 0) & (q > 0) | (p + q == 1))
    return sizes / sizes.sum()


def same_block(
    forward: Floats, reverse: Floats, source_lengths: NDArray[np.int64], target_lengths: NDArray[np.int64], sizes: Floats
) -> tuple[Floats, Floats]:
    """Posterior probability that source word i and target word j stand in one block.

    Args:
        forward: p(target word j | source word i), (B, N+1, M), row 0 for the null word.
        reverse: p(source word i | target word j), (B, N, M+1), column 0 for the null word.
        source_lengths: (B,).
        target_lengths: (B,).
        sizes: probability of a block of p by q words, (P+1, Q+1).

    Returns:
        The posterior, (B, N, M), and the expected number of blocks of each size, (P+1, Q+1).
    """
    scores = _block_scores(forward, reverse, sizes)
    alpha = _paths(scores, forward.shape[0], reverse.shape[1], forward.shape[2])
    batch = np.arange(len(source_lengths))
    total = alpha[batch, source_lengths, target_lengths]
    beta = _paths_back(scores, alpha.shape, source_lengths, target_lengths)
    together = np.zeros((alpha.shape[0], alpha.shape[1] - 1, alpha.shape[2] - 1))
    counts = np.zeros_like(sizes)
    for (p, q), score in scores.items():
        n, m = alpha.shape[1] - p, alpha.shape[2] - q
        posterior = np.exp(alpha[:, :n, :m] + score[:, p:, q:] + beta[:, p:, q:] - total[:, None, None])
        counts[p, q] = posterior.sum()
        for di in range(p):
            for dj in range(q):
                together[:, di : di + n, dj : dj + m] += posterior
    return together, counts


def _block_scores(forward: Floats, reverse: Floats, sizes: Floats) -> dict[tuple[int, int], Floats]:
    """Log score of the block of p by q words that ends at (i, j), (B, N+1, M+1); only [p:, q:] is meaningful."""
    by_source = _span_logs(forward[:, 1:], sizes.shape[0], axis=1)  # p -> (B, N+1, M): words j from p words up to i
    by_target = _span_logs(reverse[:, :, 1:], sizes.shape[1], axis=2)  # q -> (B, N, M+1)
    by_source[0] = np.log(np.maximum(forward[:, :1], _FLOOR)) + np.zeros_like(by_source[1])
    by_target[0] = np.log(np.maximum(reverse[:, :, :1], _FLOOR)) + np.zeros_like(by_target[1])
    ends_source = {p: _cumulative(logs, axis=2) for p, logs in by_source.items()}
    ends_target = {q: _cumulative(logs, axis=1) for q, logs in by_target.items()}
    scores: dict[tuple[int, int], Floats] = {}
    for p, q in zip(*np.nonzero(sizes)):
        p, q = int(p), int(q)
        score = np.full(ends_source[p].shape, np.log(sizes[p, q]))
        score[:, :, q:] += ends_source[p][:, :, q:] - ends_source[p][:, :, : score.shape[2] - q]
        score[:, p:, :] += ends_target[q][:, p:, :] - ends_target[q][:, : score.shape[1] - p, :]
        scores[p, q] = score
    return scores


def _span_logs(probability: Floats, limit: int, *, axis: int) -> dict[int, Floats]:
    """log of the mean over the last p words of `axis`, padded by one in front, for p in 1..limit-1."""
    pad = [(0, 0)] * 3
    pad[axis] = (1, 0)
    sums = np.pad(np.cumsum(probability, axis=axis), pad)
    spans: dict[int, Floats] = {}
    for p in range(1, limit):
        shift = np.take(sums, np.maximum(np.arange(sums.shape[axis]) - p, 0), axis=axis)
        spans[p] = np.log(np.maximum((sums - shift) / p, _FLOOR))
    return spans


def _cumulative(logs: Floats, *, axis: int) -> Floats:
    pad = [(0, 0)] * 3
    pad[axis] = (1, 0)
    return np.pad(np.cumsum(logs, axis=axis), pad)


def _paths(scores: dict[tuple[int, int], Floats], b: int, n: int, m: int) -> Floats:
    """Log of the sum over all segmentations of the first i source and j target words, (B, N+1, M+1)."""
    alpha = np.full((b, n + 1, m + 1), _NO_PATH)
    alpha[:, 0, 0] = 0.0
    insertion = scores.get((0, 1))
    for i in range(n + 1):
        row = alpha[:, i]
        for (p, q), score in scores.items():
            if 0 < p <= i and q <= m:
                row[:, q:] = np.logaddexp(row[:, q:], alpha[:, i - p, : m + 1 - q] + score[:, i, q:])
        if insertion is not None:
            for j in range(1, m + 1):
                row[:, j] = np.logaddexp(row[:, j], row[:, j - 1] + insertion[:, i, j])
    return alpha


def _paths_back(
    scores: dict[tuple[int, int], Floats],
    shape: tuple[int, ...],
    source_lengths: NDArray[np.int64],
    target_lengths: NDArray[np.int64],
) -> Floats:
    """Log of the sum over all segmentations of what follows the first i source and j target words."""
    b, rows, columns = shape
    beta = np.full(shape, _NO_PATH)
    beta[np.arange(b), source_lengths, target_lengths] = 0.0
    insertion = scores.get((0, 1))
    for i in range(rows - 1, -1, -1):
        row = beta[:, i]
        for (p, q), score in scores.items():
            if p > 0 and i + p < rows and q < columns:
                end = row[:, : columns - q]
                row[:, : columns - q] = np.logaddexp(end, beta[:, i + p, q:] + score[:, i + p, q:])
        if insertion is not None:
            for j in range(columns - 2, -1, -1):
                row[:, j] = np.logaddexp(row[:, j], row[:, j + 1] + insertion[:, i, j + 1])
    return beta
