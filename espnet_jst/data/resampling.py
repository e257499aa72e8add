"""Resampling of a signal that comes in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np


def no_samples(channels: int = 1) -> np.ndarray:
    """A signal without a sample, float32: (0,), or of several channels (0, C)."""
    return np.zeros(0 if channels == 1 else (0, channels), dtype=np.float32)


def resampled(
    blocks: Iterable[np.ndarray], input_fs: int, output_fs: int, *, channels: int = 1
) -> Iterator[np.ndarray]:
    """Blocks of one channel, float32 (n,), or of several, (n, C), at `input_fs` Hz -> at `output_fs` Hz (soxr, high
    quality).
    """
    if input_fs == output_fs:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(input_fs, output_fs, channels, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
    yield stream.resample_chunk(no_samples(channels), last=True)
