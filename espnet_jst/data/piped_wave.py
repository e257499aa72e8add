"""A wave that comes through a pipe, decoded as it comes: nothing waits for its end, and nothing is copied."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
import soundfile

from espnet_jst.data.audio_file import AudioFile, AudioInfo
from espnet_jst.data.audio_source import blame
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.containers import sizes
from espnet_jst.data.containers.riff import wave_pieces

HEADER = 1 << 20  # bytes that may come before the samples; where there are more, the whole is looked at first
SIMPLE = (1, 3, 6, 7, 0xFFFE)  # codings in which every sample has its bytes: PCM, float, A-law, mu-law, extensible
BLOCK = 1 << 16


class PipedWave:
    """What a Recording needs of an AudioFile, of a stream that is read once; it is not closed.

    Args:
        stream: stands at the first sample.
        fmt: the wave's `fmt ` chunk.
        promised: bytes of samples by the header, 0 where that is not known.
        header: bytes before the samples.
        whole: bytes of all by the header.
    """

    def __init__(
        self, stream: BinaryIO, name: str, fmt: bytes, promised: int = 0, header: int = 0, whole: int = 0
    ) -> None:
        self.name, self._stream, self._fmt, self._header, self._whole = name, stream, fmt, header, whole
        self._promised = 0 if sizes.is_placeholder(promised) else promised
        self._frame = int.from_bytes(fmt[12:14], "little")
        with AudioFile(self._wave(bytes(self._frame)), name=name) as one:
            self.info = AudioInfo(one.info.fs, one.info.channels, None, one.info.form, one.info.coding)
        self.close: Callable[[], None] = lambda: None

    def blocks(self) -> Iterator[np.ndarray]:
        """The samples as they come, float32 (n, C).

        Raises:
            BadItem: none, fewer than the header says, another recording behind them, or a pipe that breaks.
        """
        taken, rest, seen = 0, b"", b""
        with blame(self.name, "damaged audio data", "audio-damaged"):
            while data := self._some(taken):
                taken += len(data)
                seen = seen[-11:] + data
                sizes.refuse_another(io.BytesIO(seen), 0, len(seen))
                rest += data
                whole = len(rest) - len(rest) % self._frame
                if whole:
                    yield soundfile.read(io.BytesIO(self._wave(rest[:whole])), dtype="float32", always_2d=True)[0]
                rest = rest[whole:]
            if self._promised <= taken:
                self._check_behind()
            if self._promised or not taken:
                whole = self._whole == self._header + taken
                sizes.check_size(self._promised, taken, self._header, whole=whole)

    def _some(self, taken: int) -> bytes:
        """What the pipe has, at least a byte unless the samples are at their end."""
        most = min(BLOCK, self._promised - taken) if self._promised else BLOCK
        if hasattr(self._stream, "read1"):
            return self._stream.read1(most)
        return self._stream.read(min(most, self._frame * max(1, self.info.fs // 10))) or b""

    def _check_behind(self) -> None:
        """Behind the samples there may be further chunks, and a few bytes more, but no audio."""
        rest, skip = _read(self._stream, sizes.STRAY + 1), 0
        while len(rest) > sizes.STRAY and sizes.is_name(rest[:4]) and rest[:4] not in (b"RIFF", b"data"):
            length = 8 + int.from_bytes(rest[4:8], "little")
            length += length % 2
            skip, rest = length - len(rest), rest[length:]
            while skip > 0 and (skipped := len(self._stream.read(min(BLOCK, skip)))):
                skip -= skipped
            rest += _read(self._stream, sizes.STRAY + 1 - len(rest))
        sizes.refuse_another(io.BytesIO(rest), 0, len(rest))
        # Four letters with a length beyond the end were samples.
        if len(rest) > sizes.STRAY or skip > 1:
            reason = f"more follows the {self._promised} bytes of samples that the header counts"
            raise BadItem(reason, "write it to a file first", "audio-header")

    def _wave(self, samples: bytes) -> bytes:
        head, _ = wave_pieces(self._fmt, [(0, len(samples))])
        assert isinstance(head, bytes)
        return head + samples


def raw_wave(stream: BinaryIO, name: str, fs: int, channels: int = 1) -> PipedWave:
    """Samples without a header: 16 bits, little-endian, of channels that take turns."""
    frame = 2 * channels
    return PipedWave(stream, name, struct.pack("<HHIIHH", 1, channels, fs, frame * fs, frame, 16))


def piped_wave(stream: BinaryIO, name: str) -> PipedWave | bytes:
    """The wave that a stream holds; where it holds something else, or must be looked at first, what was read of it."""
    head, fmt = _read(stream, 12), b""
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return head
    while len(chunk := _read(stream, 8)) == 8:
        head += chunk
        length = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data" and _is_simple(fmt):
            return PipedWave(stream, name, fmt, length, len(head), 8 + int.from_bytes(head[4:8], "little"))
        if chunk[:4] == b"data" or len(head) + length > HEADER:
            return head
        content = _read(stream, length + length % 2)
        head += content
        if chunk[:4] == b"fmt ":
            fmt = content
    return head + chunk


def _is_simple(fmt: bytes) -> bool:
    if len(fmt) < 16:
        return False
    coding, channels, _, _, frame, bits = struct.unpack("<HHIIHH", fmt[:16])
    return coding in SIMPLE and 0 < frame == channels * ((bits + 7) // 8)


def _read(stream: BinaryIO, count: int) -> bytes:
    """`count` bytes, fewer at the end only; a stream may give fewer at once."""
    found = b""
    while len(found) < count and (more := stream.read(count - len(found))):
        found += more
    return found
