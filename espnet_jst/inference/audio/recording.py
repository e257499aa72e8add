"""Anything that holds audio -> float32 samples in [-1, 1], of one channel or as many as a model takes, or one message
that says what to do.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from types import TracebackType

import numpy as np

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.signal import Mixer, Remark, check_channels
from espnet_jst.errors import DataError
from espnet_jst.inference.audio.foreign import open_audio
from espnet_jst.inference.audio.resample import MAX_FS, MIN_FS
from espnet_jst.inference.audio.samples import channels_of, floats

BLOCK = 1 << 16  # samples of an array that are converted at once

Notify = Callable[[str, Remark], None]


class AudioWarning(UserWarning):
    """Something about usable audio that makes one doubt the result."""


def warn(name: str, remark: Remark) -> None:
    """Tell a programmer what is doubtful about a recording."""
    warnings.warn(f"{name}: {remark.reason}; {remark.fix}", AudioWarning, stacklevel=2)


class Recording:
    """Anything that holds audio, read once and block by block; to be used in a `with` statement.

    Args:
        speech: path, bytes of an audio file or binary file object; samples as an array (see `channels_of`); a
            dictionary of Hugging Face's `datasets` ({"array", "sampling_rate"} or {"bytes", "path"}) or the decoder
            that takes its place there.
        fs: sampling rate of an array in Hz.
        name: what messages call it; by default a path.
        notify: called with what is doubtful.
        raw_fs: standard input, pipes and file objects hold samples of 16 bits without a header, at this rate in Hz.
        channels: that the model takes: 1, the mean of those that are there; else as many must be there.
        convert: see `open_audio`.

    Attributes:
        name: what messages call it.
        fs: sampling rate in Hz.
        duration_s: seconds as the header says; None where only reading tells.

    Raises:
        DataError: it cannot be used: missing, damaged, no audio, another rate than `fs`, or one outside 8-384 kHz.
    """

    def __init__(
        self,
        speech: object,
        fs: int | None = None,
        *,
        name: str = "",
        notify: Notify = warn,
        raw_fs: int | None = None,
        channels: int = 1,
        convert: bool = True,
    ) -> None:
        self._notify, self._channels = notify, channels
        if isinstance(speech, Mapping):
            speech, fs, name = _of_mapping(speech, fs, name)
        elif hasattr(speech, "get_all_samples"):  # torchcodec's decoder
            samples = speech.get_all_samples()
            speech, fs = samples.data, int(samples.sample_rate)
        self._coding, samples_in = "", None
        with ExitStack() as stack:
            if is_file(speech):
                audio = open_audio(speech, name, raw_fs, channels, convert=convert)
                stack.callback(audio.close)
                self.name, self.fs, self._coding = audio.name, audio.info.fs, audio.info.coding
                there, samples_in = audio.info.channels, audio.info.samples
                self._blocks = audio.blocks()
                for note in audio.info.notes:
                    notify(self.name, Remark(note, "make it again if something is missing", "audio-header"))
                if fs is not None and fs != self.fs:
                    raise DataError(f"{self.name}: its header says {self.fs} Hz, but fs={fs} is given: leave out fs")
            else:
                array = channels_of(speech, channels)
                if array.dtype.kind in "iu" and array.dtype.itemsize == 2:
                    self._coding = "PCM_16"
                there, samples_in = array.shape[1], len(array)
                self.name, self.fs, self._blocks = name or "speech", int(fs or 0), _slices(array)
            if not MIN_FS <= self.fs <= MAX_FS:
                reason = f"{self.name}: {self.fs} Hz is outside {MIN_FS}-{MAX_FS} Hz"
                raise BadItem(reason, "resample it, or give its true rate", "audio-rate")
            check_channels(self.name, there, channels)
            self.close = stack.pop_all().close
        self.duration_s = None if samples_in is None else samples_in / self.fs
        if there > channels:
            fix = "take one channel if speakers differ by it"
            notify(self.name, Remark(f"{there} channels are mixed down", fix, "audio-stereo"))

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def say(self, remark: Remark) -> None:
        """Tell whoever asked for it what is doubtful."""
        self._notify(self.name, remark)

    def blocks(self) -> Iterator[np.ndarray]:
        """The mean of the channels, float32 (n,) each, or all that the model takes, (n, C); at the end, what the whole
        signal shows is refused or said.

        Raises:
            DataError: damaged data; samples that are NaN, infinite or absurd; no samples; nothing that could be heard.
        """
        mixer = Mixer(self.name, self._channels)
        for block in self._blocks:
            taken = np.ascontiguousarray(mixer.mix(block), dtype=np.float32)
            if len(taken):
                yield taken
        if not mixer.samples:
            raise BadItem(f"{self.name}: no samples", "leave it out or check how it was cut", "audio-header-only")
        for remark in mixer.remarks(self._coding):
            self.say(remark)


def recording_of(speech: object, fs: int | None, model_fs: int, channels: int = 1) -> Recording:
    """A recording for a model of so many channels; samples without a rate have the model's."""
    is_array = not (isinstance(speech, Mapping) or is_file(speech) or hasattr(speech, "get_all_samples"))
    return Recording(speech, fs or model_fs if is_array else fs, channels=channels)


def is_file(speech: object) -> bool:
    """A path, the bytes of an audio file, or a file object."""
    return isinstance(speech, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(speech, "read")


def packets(blocks: Iterator[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """Blocks -> packets of at most `samples` samples."""
    for block in blocks:
        for start in range(0, len(block), samples):
            yield block[start : start + samples]


def take(blocks: Iterator[np.ndarray], samples: float) -> tuple[list[np.ndarray], Iterator[np.ndarray] | None]:
    """The blocks until there are `samples` samples, and then the rest, or None where nothing is left."""
    taken: list[np.ndarray] = []
    count = 0
    for block in blocks:
        if count + len(block) > samples:
            return taken, chain([block], blocks)
        taken.append(block)
        count += len(block)
    return taken, None


def _slices(array: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(array), BLOCK):
        yield floats(array[start : start + BLOCK])


def _of_mapping(speech: Mapping, fs: int | None, name: str) -> tuple[object, int | None, str]:
    """What a dictionary of `datasets` holds, its rate, and its name."""
    name = name or str(speech.get("path") or "")
    if speech.get("array") is not None:
        rate = speech.get("sampling_rate", fs)
        if rate is None or (fs is not None and fs != rate):
            raise DataError(f"{name or 'speech'}: sampling_rate is {rate} and fs is {fs}: one rate is needed")
        return speech["array"], int(rate), name
    for key in ("bytes", "path"):
        if speech.get(key):
            return speech[key], fs, name
    found = sorted(map(str, speech))
    raise DataError(f"speech is a dictionary of {found}: give 'array' and 'sampling_rate', or 'path'")


def read_audio(path: str | Path, *, channels: int = 1) -> tuple[np.ndarray, int]:
    """Read one audio file -> float32 samples (n,), channels mixed down, or (n, C) as the model takes them, and sampling
    rate in Hz.

    Raises:
        DataError: see Recording and its `blocks`.
    """
    with Recording(path, channels=channels) as recording:
        return np.concatenate(list(recording.blocks())), recording.fs
