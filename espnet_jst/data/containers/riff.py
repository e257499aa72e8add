"""RIFF WAVE, RF64 and BW64: chunks with sizes, of which that of the samples is wrong in many files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from espnet_jst.data.containers import sizes
from espnet_jst.data.containers.splice import Layout, Piece

FORMS = (b"RIFF", b"RF64", b"BW64")
TAGS = (b"LIST", b"ID3", b"id3 ", b"TAG", b"APETAGEX", b"bext", b"iXML", b"JUNK", b"PAD ", b"afsp", b"LGWV", b"<?x")


@dataclass
class _Wave:
    """What the chunks of one wave say, where the next wave starts, and whether it needs a header of our own."""

    fmt: bytes = b""
    data: list[tuple[int, int]] = field(default_factory=list)
    note: str = ""
    odd: bool = False
    next: int = 0


def riff_layout(stream: BinaryIO, size: int) -> Layout:
    """The waves of a file (`cat a.wav b.wav` has two), with headers of our own where theirs are wrong.

    Raises:
        BadItem: cut short, or without a sample.
    """
    waves = [_read_wave(stream, 0, size)]
    while waves[-1].next:
        waves.append(_read_wave(stream, waves[-1].next, size))
    if not all(wave.fmt and wave.data for wave in waves):
        return Layout()  # libsndfile says what it thinks of it
    notes = [wave.note for wave in waves if wave.note]
    if len(waves) > 1:
        notes.append(f"{len(waves)} recordings one after the other, all are taken")
    elif not notes and not waves[0].odd:
        return Layout()
    return Layout(tuple(wave_pieces(wave.fmt, wave.data) for wave in waves), tuple(notes))


def wave_pieces(fmt: bytes, data: list[tuple[int, int]]) -> tuple[Piece, ...]:
    """A wave of the contents of a `fmt ` chunk and ranges of samples; one of 64 bits where 32 do not count them."""
    fmt += bytes(len(fmt) % 2)
    samples = sum(stop - start for start, stop in data)
    form, sizes64, whole, body = b"RIFF", b"", 20 + len(fmt) + samples, samples
    if whole > 0xFFFFFFFF:
        form, sizes64 = b"RF64", b"ds64" + struct.pack("<IQQQI", 28, whole + 36, samples, 0, 0)
        whole = body = 0xFFFFFFFF
    head = form + struct.pack("<I", whole) + b"WAVE" + sizes64 + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    return head + b"data" + struct.pack("<I", body), *data


def _read_wave(stream: BinaryIO, base: int, size: int) -> _Wave:
    stream.seek(base)
    head = stream.read(12)
    whole = base + 8 + int.from_bytes(head[4:8], "little") == size
    wave, long_length = _Wave(), 0
    for name, start, length, odd in _chunks(stream, base + 12, size):
        wave.odd |= odd
        stream.seek(start)
        if name == b"ds64":
            long_length = int.from_bytes(stream.read(16)[8:], "little")
        elif name == b"fmt ":
            wave.fmt = stream.read(min(length, 1 << 16))
        elif name == b"data":
            if length == 0xFFFFFFFF and head[:4] != b"RIFF":
                length = long_length
            _take_data(stream, wave, start, length, size, whole)
            break
    # libsndfile does not know this name; the chunks are those of RF64.
    wave.odd |= head.startswith(b"BW64")
    return wave


def _take_data(stream: BinaryIO, wave: _Wave, start: int, length: int, size: int, whole: bool) -> None:
    if length == 0 < size - start and _explained(stream, wave, start, size, stray=0):
        raise sizes.empty()
    wave.note = sizes.check_size(length, size - start, start, whole=whole)
    wave.data = [(start, start + length)]
    if not wave.note and not _explained(stream, wave, start + length, size, padded=length % 2 == 1):
        wave.note = sizes.note(length, size - start)
    if wave.note:
        sizes.refuse_another(stream, start, size)
        wave.data = [(start, size)]


def _explained(
    stream: BinaryIO, wave: _Wave, end: int, size: int, *, padded: bool = False, stray: int = sizes.STRAY
) -> bool:
    """True where what follows the samples is no audio, or audio of further chunks or of another wave: both are noted
    in `wave`."""
    for name, start, length, odd in _chunks(stream, end, size, padded=padded):
        if name in FORMS:
            wave.odd |= odd
            wave.next = start - 8
            return True
        if start + length > size + 1 and name not in TAGS:
            break
        wave.odd |= odd or name == b"data"
        end = min(start + length, size)
        if name == b"data":
            wave.data.append((start, end))
    stream.seek(end)
    tagged = stream.read(stray + 2).lstrip(b"\0").startswith(TAGS)
    return tagged or sizes.is_stray(stream, end, size, stray)


def _chunks(
    stream: BinaryIO, position: int, size: int, *, padded: bool = False
) -> Iterator[tuple[bytes, int, int, bool]]:
    """(name, first byte, length, whether the byte before it is missing) of each chunk, up to what is no chunk.

    Args:
        padded: a chunk of odd length ends at `position`. A byte should follow; not every writer has it.
    """
    while position < size:
        stream.seek(position)
        head = stream.read(9)
        missing = padded and head[0] != 0 and sizes.is_name(head[:4])
        skip = padded and not missing
        name, length = head[skip : skip + 4], int.from_bytes(head[skip + 4 : skip + 8], "little")
        if len(head) < 8 + skip or not sizes.is_name(name):
            return
        position += 8 + skip
        yield name, position, length, missing
        position, padded = position + length, length % 2 == 1
