"""Audio files: what they hold by their bytes, block by block, or an error that says what is wrong.

Headers are not believed: no memory is taken for what they promise, wrong sizes are put right where all of the audio is
there (`containers`), and whatever a decoder raises is an error of that file.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import soundfile

from espnet_jst.data.bad_item import AGAIN, BadItem
from espnet_jst.data.containers import find_layout, sizes
from espnet_jst.data.containers.splice import BUFFER, Layout, Piece, Splice
from espnet_jst.data.signal import Mixer, check_numbers
from espnet_jst.errors import JSTError

__all__ = ["AGAIN", "AudioFile", "AudioInfo", "BadItem", "Source", "inspect", "read"]

Source = str | Path | bytes | BinaryIO
"""A path, the bytes of a file, or a binary file object (what cannot seek is copied first)."""

UNKNOWN = 1 << 60  # samples: more than any file holds, what libsndfile says where the header does not count
BLOCK = 1 << 18  # values (samples times channels) read at once
MIN_FS, MAX_FS = 1000, 1_000_000  # Hz; beyond, the header is damaged


@dataclass(frozen=True)
class AudioInfo:
    """Header of an audio file.

    Attributes:
        fs: sampling rate in Hz.
        channels: number of channels.
        samples: samples a channel; None where only decoding tells.
        form: container as libsndfile names it ("WAV").
        coding: coding as libsndfile names it ("PCM_24").
        notes: what the header says wrongly although the audio is all there.
    """

    fs: int
    channels: int
    samples: int | None
    form: str
    coding: str
    notes: tuple[str, ...] = ()


class AudioFile:
    """An audio file, to be used in a `with` statement.

    Args:
        source: path, bytes or binary file object; a file object is read from its start and not closed.
        name: what messages call it; a path by default.

    Attributes:
        info: its header.
        name: what messages call it.

    Raises:
        BadItem: missing, empty, header only, cut short, damaged, or a format that libsndfile does not know.
    """

    def __init__(self, source: Source, *, name: str = "") -> None:
        self.name = name or (str(source) if isinstance(source, str | Path) else "the recording")
        with ExitStack() as stack:
            with blame(self.name, "cannot be read", "audio-unreadable"):
                self._stream, self._native = _opened(source)
            if self._stream is not source:
                stack.callback(self._stream.close)
            with blame(self.name, "not readable as audio", "audio-unreadable"):
                self.info, self._layout = self._examine()
            self.close = stack.pop_all().close

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def range(self, start_s: float = 0.0, end_s: float = -1.0) -> tuple[int, int | None]:
        """First sample and the one after the last of a piece between two times; None for the end of the file.

        Raises:
            BadItem: the piece lies outside the file.
        """
        fs, samples = self.info.fs, self.info.samples
        start, stop = round(start_s * fs), None if end_s == -1 else round(end_s * fs)
        if samples is None:
            return start, stop
        self._check_range(start, stop, samples)
        return start, samples if stop is None else min(stop, samples)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """The samples from `start` to `stop` (None: to the end) in blocks, float32 (n, C).

        Raises:
            BadItem: damaged data, fewer samples than the header says, NaN, infinite or absurd samples; a piece that
                lies outside the file.
        """
        done = 0
        for block in self._decoded(start, stop):
            check_numbers(block, self.name)
            done += len(block)
            yield block
        promised = self.info.samples if stop is None else stop
        if promised is not None and done < promised - start and self.info.samples is not None:
            reason = f"{self.name}: {done} of {promised - start} samples can be decoded"
            raise BadItem(reason, AGAIN, "audio-truncated")
        if self.info.samples is None:
            self._check_range(start, stop, start + done)

    def mono(self, start: int = 0, stop: int | None = None, *, mixer: Mixer | None = None) -> Iterator[np.ndarray]:
        """The mean of the channels in blocks, float32 (n,); `mixer` keeps account of the levels.

        Raises:
            BadItem: as `blocks`.
        """
        mixer = mixer or Mixer(self.name)
        for block in self.blocks(start, stop):
            yield mixer.mix(block)

    def _check_range(self, start: int, stop: int | None, samples: int) -> None:
        # Half a second of slack: times rounded by other programs often end just after the file.
        if start >= samples or (stop is not None and stop > samples + self.info.fs // 2):
            times = "-".join("the end" if at is None else f"{at / self.info.fs:.2f}" for at in (start, stop))
            raise BadItem(
                f"{self.name}: the segment {times} s lies outside the file ({samples / self.info.fs:.2f} s)",
                "correct its line in segments",
                "segment-outside",
            )

    def _examine(self) -> tuple[AudioInfo, Layout]:
        size = self._stream.seek(0, os.SEEK_END)
        if size == 0:
            raise BadItem("the file is empty (0 bytes)", AGAIN, "audio-empty")
        layout = find_layout(self._stream, size)
        fs, channels, form, coding, samples = 0, 0, "", "", 0
        try:
            for decoder in self._decoders(layout):
                if fs and (fs, channels) != (decoder.samplerate, decoder.channels):
                    reason = f"joined from parts of {fs} Hz, {channels} channels and {decoder.samplerate} Hz, "
                    raise BadItem(f"{reason}{decoder.channels} channels", "convert them apart", "audio-unreadable")
                fs, channels, form, coding = decoder.samplerate, decoder.channels, decoder.format, decoder.subtype
                samples += decoder.frames
        except soundfile.LibsndfileError as error:
            raise RuntimeError(_what_it_is(self._stream) or error.error_string) from None
        if samples <= 0:
            raise sizes.empty()
        if not MIN_FS <= fs <= MAX_FS:
            raise BadItem(f"a sampling rate of {fs} Hz", "correct its header", "audio-unreadable")
        known = samples if samples < UNKNOWN else None
        return AudioInfo(fs, channels, known, form, coding, layout.notes), layout

    def _decoders(self, layout: Layout) -> Iterator[_Decoder]:
        """A decoder for each part, open until the next one is asked for."""
        if self._native and not layout.parts:
            number = self._stream.fileno()
            os.lseek(number, 0, os.SEEK_SET)
            with _Decoder(number, closefd=False) as decoder:
                yield decoder
            return
        for pieces in layout.parts or (((0, self._stream.seek(0, os.SEEK_END)),),):
            splice = Splice(self._stream, pieces)
            with _Decoder(io.BufferedReader(splice, BUFFER)) as decoder:
                decoder.splice = splice
                yield decoder

    def _decoded(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """As `blocks`, without checks of what is in them."""
        size = max(1, BLOCK // self.info.channels)
        skip, left = start, UNKNOWN if stop is None else stop - start
        with blame(self.name, "damaged audio data", "audio-damaged"):
            for decoder in self._decoders(self._layout):
                if skip >= decoder.frames:
                    skip -= decoder.frames
                    continue
                if decoder.frames < UNKNOWN:
                    decoder.seek(skip)
                    skip = 0
                while left and len(block := decoder.take(min(size, skip + left))):
                    skip, block = max(0, skip - len(block)), block[skip:]
                    left -= len(block)
                    yield block


class _Decoder(soundfile.SoundFile):
    """A file that is read in a row: soundfile would seek after each block, to where the header may say no."""

    splice: Splice | None = None

    def seekable(self) -> bool:
        return False

    def take(self, count: int) -> np.ndarray:
        """The next samples, at most `count`, float32 (n, C); none at the end."""
        block = self.read(count, dtype="float32", always_2d=True)
        if self.splice is not None and self.splice.error is not None:
            raise self.splice.error
        return block


def inspect(source: Source) -> AudioInfo:
    """Read the header, without the samples.

    Raises:
        BadItem: missing, empty, header only, cut short, or a format that libsndfile does not know.
    """
    with AudioFile(source) as audio:
        return audio.info


def read(source: Source, *, start_s: float = 0.0, end_s: float = -1.0) -> tuple[np.ndarray, int]:
    """Read all samples, or those between two times.

    Args:
        source: path, bytes or binary file object.
        start_s: first second to read.
        end_s: end in seconds; -1 for the end of the file.

    Returns:
        samples: float32 (N, C).
        fs: sampling rate in Hz.

    Raises:
        BadItem: as `AudioFile` and its `blocks`.
    """
    with AudioFile(source) as audio:
        blocks = list(audio.blocks(*audio.range(start_s, end_s)))
        return np.concatenate(blocks), audio.info.fs


@contextmanager
def blame(name: str, what: str, kind: str) -> Iterator[None]:
    """Whatever a library raises in here becomes an error of the named item."""
    try:
        yield
    except BadItem as bad:
        if bad.reason.startswith(name):
            raise
        raise BadItem(f"{name}: {bad.reason}", bad.fix, bad.kind) from None
    except JSTError:
        raise
    except MemoryError:
        raise BadItem(f"{name}: {what} (not enough memory)", "cut it into pieces", kind) from None
    except Exception as error:
        fix = AGAIN if kind == "audio-damaged" else "convert it to WAV or FLAC, or get the real file"
        raise BadItem(f"{name}: {what} ({str(error) or type(error).__name__})", fix, kind) from None


def _opened(source: Source) -> tuple[BinaryIO, bool]:
    """A stream that can seek, and whether it is a file."""
    if isinstance(source, str | Path):
        if not _is_file(Path(source)):
            fix = "correct wav.scp (relative paths start at the folder in which the command runs)"
            raise BadItem("no such file", fix, "audio-missing")
        return open(source, "rb"), True
    if isinstance(source, bytes):
        return io.BytesIO(source), False
    if source.seekable():
        return source, False
    copy = tempfile.TemporaryFile()
    shutil.copyfileobj(source, copy)
    return copy, False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name longer than the file system takes, or with a zero byte
        return False


def _what_it_is(stream: BinaryIO) -> str:
    """What a file is that libsndfile does not read, where its first bytes tell."""
    stream.seek(0)
    head = stream.read(256)
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS: git lfs pull gets the file"
    if head[4:8] == b"ftyp":
        return "MP4 or M4A"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "WebM or Matroska"
    return "it is text" if all(byte >= 32 or byte in b"\t\r\n" for byte in head) else ""
