"""Sums over all ways to cut a sentence pair into monotone blocks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NO_PATH = -1e30


def paths(scores: Mapping[tuple[int, int], Floats], b: int, n: int, m: int) -> Floats:
    """Log of the sum over all segmentations of the first i source and j target words.

    Args:
        scores: by block size (p, q), the log score of the block after i source and j target words,
            (B, N+1-p, M+1-q).
        b: sentence pairs.
        n: source words.
        m: target words.

    Returns:
        (B, N+1, M+1).
    """
    alpha = np.full((b, n + 1, m + 1), _NO_PATH)
    alpha[:, 0, 0] = 0.0
    for i in range(n + 1):
        row = alpha[:, i]
        for (p, q), score in scores.items():
            if 0 < p <= i and q <= m:
                row[:, q:] = np.logaddexp(row[:, q:], alpha[:, i - p, : m + 1 - q] + score[:, i - p])
        insertion = scores[0, 1][:, i]
        for j in range(1, m + 1):
            row[:, j] = np.logaddexp(row[:, j], row[:, j - 1] + insertion[:, j - 1])
    return alpha


def paths_back(
    scores: Mapping[tuple[int, int], Floats],
    b: int,
    n: int,
    m: int,
    source_lengths: NDArray[np.int64],
    target_lengths: NDArray[np.int64],
) -> Floats:
    """Log of the sum over all segmentations of what follows the first i source and j target words, (B, N+1, M+1)."""
    beta = np.full((b, n + 1, m + 1), _NO_PATH)
    beta[np.arange(b), source_lengths, target_lengths] = 0.0
    for i in range(n, -1, -1):
        row = beta[:, i]
        for (p, q), score in scores.items():
            if 0 < p <= n - i and q <= m:
                front = row[:, : m + 1 - q]
                front[:] = np.logaddexp(front, beta[:, i + p, q:] + score[:, i])
        insertion = scores[0, 1][:, i]
        for j in range(m - 1, -1, -1):
            row[:, j] = np.logaddexp(row[:, j], row[:, j + 1] + insertion[:, j])
    return beta
