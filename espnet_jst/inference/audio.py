"""Audio as it comes in -> one float32 channel in [-1, 1], or one message that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from espnet_jst.data import audio_file
from espnet_jst.data.audio_file import BadItem
from espnet_jst.errors import DataError
from espnet_jst.inference.resample import MAX_FS, MIN_FS


def as_samples(speech: Any, *, allow_empty: bool = False) -> np.ndarray:
    """Check samples and give them as float32 (n,).

    Args:
        speech: NumPy array, torch tensor or sequence of floats in [-1, 1], (n,), (n, 1) or (1, n); integer samples
            (int16, int32) are scaled to [-1, 1].
        allow_empty: let an empty array pass: a packet of a stream may be empty, an utterance may not.

    Raises:
        DataError: no samples, several channels, NaN or infinite samples, or no numbers at all.
    """
    if hasattr(speech, "detach"):
        speech = speech.detach().cpu().numpy()
    try:
        samples = np.asarray(speech)
    except ValueError as error:
        raise DataError(f"speech is not an array of samples ({error}): give one channel as a 1-D array") from error
    if samples.ndim == 2 and 1 in samples.shape:
        samples = samples.reshape(-1)
    if samples.ndim != 1:
        raise DataError(
            f"speech has shape {samples.shape}, but one channel is needed: give a 1-D array, for example the mean "
            "over channels or the channel that holds the speaker"
        )
    if samples.size == 0 and not allow_empty:
        raise DataError("speech has no samples: leave the utterance out or check how it was cut")
    if samples.dtype.kind in "iu":
        samples = _scaled(samples)
    elif samples.dtype.kind != "f":
        raise DataError(f"speech holds {samples.dtype} values: give floats in [-1, 1] or int16 or int32 samples")
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    if not np.isfinite(samples).all():
        where = int(np.flatnonzero(~np.isfinite(samples))[0])
        raise DataError(f"speech has a NaN or infinite sample at position {where}: repair or leave out the recording")
    return samples


def _scaled(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "u" or (samples.dtype.itemsize == 8 and np.abs(samples).max(initial=0) > 2**15):
        raise DataError(f"speech holds {samples.dtype} values of unknown scale: give floats in [-1, 1] or int16")
    full_scale = {1: 2**7, 2: 2**15, 4: 2**31, 8: 2**15}[samples.dtype.itemsize]
    return samples.astype(np.float32) / full_scale


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """Read one single-channel audio file (whatever libsndfile reads) -> float32 samples (n,) and sampling rate in Hz.

    Raises:
        BadItem: missing, empty, cut short, corrupt or multi-channel file, NaN samples, or a rate outside 8-48 kHz.
    """
    if str(path).rstrip().endswith("|"):
        raise BadItem(
            f"{path}: a command, not a file", "write the audio to a file, as the format stage does", "audio-command"
        )
    if not Path(path).is_file():
        fix = "check the path; a relative one starts at the current folder"
        raise BadItem(f"{path}: no such file", fix, "audio-missing")
    samples, fs = audio_file.read(path)
    if samples.shape[1] != 1:
        raise BadItem(f"{path}: {samples.shape[1]} channels", "convert it to one channel", "audio-stereo")
    if not MIN_FS <= fs <= MAX_FS:
        raise BadItem(f"{path}: {fs} Hz is outside {MIN_FS}-{MAX_FS} Hz", "resample it", "audio-rate")
    return samples[:, 0], fs
