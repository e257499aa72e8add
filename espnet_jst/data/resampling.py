"""Resampling of a signal that comes in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np


def resampled(blocks: Iterable[np.ndarray], input_fs: int, output_fs: int) -> Iterator[np.ndarray]:
    """Blocks of one channel, float32 (n,), at `input_fs` Hz -> at `output_fs` Hz (soxr, high quality)."""
    if input_fs == output_fs:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(input_fs, output_fs, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
