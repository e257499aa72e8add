"""Samples in whatever array somebody has them -> float32 in [-1, 1]."""

from __future__ import annotations

import numpy as np

from espnet_jst.data.signal import check_numbers, wrong_channels
from espnet_jst.errors import DataError

MAX_CHANNELS = 32


def as_samples(speech: object, *, allow_empty: bool = False, channels: int = 1) -> np.ndarray:
    """Check samples and give them as float32: (n,), the mean where there are several channels, or (n, C).

    Args:
        speech: see `channels_of`.
        allow_empty: let an empty array pass: a packet of a stream may be empty, an utterance may not.
        channels: that the model takes: 1, or as many as must be there.

    Raises:
        DataError: no samples, NaN, infinite or absurd samples, no samples at all, or another number of channels.
    """
    array = channels_of(speech, channels)
    if not len(array) and not allow_empty:
        raise DataError("speech has no samples: leave the utterance out or check how it was cut")
    samples = floats(array)
    check_numbers(samples, "speech")
    if channels > 1:
        return np.ascontiguousarray(samples)
    return np.ascontiguousarray(samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1), dtype=np.float32)


def channels_of(speech: object, channels: int = 1) -> np.ndarray:
    """Samples in any of the usual layouts -> (n, C), of the type that they have.

    Args:
        speech: NumPy array, torch tensor or sequence, (n,), (n, C) or (C, n), further axes of length 1 allowed; floats
            in [-1, 1] or integers (int16, int32), whose full scale is that of their type.
        channels: that the model takes. Where it is more than one, as many must be there, and (n, C) may be short.

    Raises:
        DataError: no numbers, it cannot be told which axis is time, or another number of channels.
    """
    if hasattr(speech, "detach"):
        tensor = speech.detach().cpu()
        speech = (tensor.float() if tensor.is_floating_point() else tensor).numpy()  # NumPy has no bfloat16
    try:
        samples = np.asarray(speech)
    except ValueError as error:
        raise DataError(f"speech is not an array of samples ({error}): give one channel as a 1-D array") from error
    if samples.dtype.kind not in "iuf":
        raise DataError(f"speech holds {samples.dtype} values: give floats in [-1, 1] or int16 or int32 samples")
    unknown = samples.dtype.kind == "u" or (samples.dtype.itemsize == 8 and samples.dtype.kind == "i")
    if unknown and (samples.dtype.kind == "u" or np.abs(samples).max(initial=0) > 2**15):
        raise DataError(f"speech holds {samples.dtype} values of unknown scale: give floats in [-1, 1] or int16")
    if channels > 1:
        return _of_several(samples, channels)
    if samples.ndim > 1 and 1 in samples.shape:
        samples = samples.reshape([size for size in samples.shape if size != 1] or [1])
    if samples.ndim == 1:
        return samples[:, None]
    if samples.ndim != 2 or min(samples.shape) > MAX_CHANNELS or samples.shape[0] == samples.shape[1]:
        raise DataError(
            f"speech has shape {samples.shape}, of which it cannot be told which axis is time: give a 1-D array, or "
            f"one of shape (samples, channels), at most {MAX_CHANNELS} channels"
        )
    return samples if samples.shape[0] > samples.shape[1] else samples.T


def _of_several(samples: np.ndarray, channels: int) -> np.ndarray:
    """Samples of so many channels -> (n, C): the axis of channels is known by its length."""
    if not samples.size:
        return samples.reshape(0, channels)
    while samples.ndim > 2 and 1 in samples.shape:
        samples = samples.squeeze(samples.shape.index(1))
    if samples.ndim == 2 and samples.shape[1] == channels:
        return samples
    if samples.ndim == 2 and samples.shape[0] == channels:
        return samples.T
    if samples.ndim > 2:
        raise DataError(f"speech has shape {samples.shape}: give (samples, {channels})")
    raise wrong_channels(f"speech of shape {samples.shape}", 1 if samples.ndim < 2 else min(samples.shape), channels)


def floats(samples: np.ndarray) -> np.ndarray:
    """Numbers of any of the types that `channels_of` lets pass -> float32, integers by the full scale of theirs."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            return samples.astype(np.float32, copy=False)
    full_scale = {1: 2**7, 2: 2**15, 4: 2**31, 8: 2**15}[samples.dtype.itemsize]
    return samples.astype(np.float32) / full_scale
