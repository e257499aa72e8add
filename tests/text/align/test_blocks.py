"""The sums over all segmentations against an enumeration of them."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.text.align.blocks import block_posterior, initial_shapes


def segmentations(n, m, sizes):
    """Every way to cut n by m words into blocks, as lists of (i, j, p, q)."""
    if n == 0 and m == 0:
        yield []
    for p, q in sizes:
        if p <= n and q <= m:
            for front in segmentations(n - p, m - q, sizes):
                yield [*front, (n - p, m - q, p, q)]


def weight(blocks, forward, reverse, shapes):
    product = 1.0
    for i, j, p, q in blocks:
        shape = shapes[p, q]
        product *= shape.share
        for dj in range(q):
            words = [shape.down[di, dj] * forward[1 + i + di, j + dj] for di in range(p)]
            product *= sum(words) if p else forward[0, j + dj]
        for di in range(p):
            words = [shape.up[di, dj] * reverse[i + di, 1 + j + dj] for dj in range(q)]
            product *= sum(words) if q else reverse[i + di, 0]
    return product


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (3, 2), (4, 4)])
def test_the_block_posterior_equals_the_sum_over_all_segmentations(n, m):
    rng = np.random.default_rng(n * 10 + m)
    forward, reverse = rng.random((2, n + 2, m + 1)), rng.random((2, n + 1, m + 2))  # padded by one word a side
    shapes = initial_shapes(2, alone=0.1)
    shapes[2, 2].down[:] = [[0.2, 0.7], [0.8, 0.3]]
    lengths = np.array([n, n]), np.array([m, m])
    result = block_posterior(forward, reverse, *lengths, shapes)
    weights = [(blocks, weight(blocks, forward[0], reverse[0], shapes)) for blocks in segmentations(n, m, shapes)]
    total = sum(value for _, value in weights)
    expected = np.zeros((n, m))
    for blocks, value in weights:
        for i, j, p, q in blocks:
            expected[i : i + p, j : j + q] += shapes[p, q].down * value / total
    np.testing.assert_allclose(result.down[0, :n, :m], expected, atol=1e-9)
    assert np.all(result.down[:, n:] == 0) and np.all(result.down[:, :, m:] == 0)
    both = sum(p * shape.share for (p, _), shape in result.counts.items())
    assert both == pytest.approx(2 * n)  # every source word of the two pairs is in exactly one block
