"""AIFF, AU and CAF: their sizes are put right in place."""

from __future__ import annotations

from typing import BinaryIO

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.containers import sizes
from espnet_jst.data.containers.splice import Layout, Piece

# Bytes of a sample where AIFF-C keeps samples as they are; other codings count packets.
_CODINGS = {b"NONE": 0, b"twos": 0, b"sowt": 0, b"raw ": 0, b"in24": 3, b"in32": 4, b"fl32": 4, b"FL32": 4, b"fl64": 8}
_CODINGS |= {b"FL64": 8, b"ulaw": 1, b"ULAW": 1, b"alaw": 1, b"ALAW": 1}


def aiff_layout(stream: BinaryIO, size: int) -> Layout:
    """AIFF and AIFF-C: a size of the file, one of the samples, and their number.

    Raises:
        BadItem: cut short, or without a sample.
    """
    stream.seek(4)
    whole, form = int.from_bytes(stream.read(4), "big"), stream.read(4)
    if not sizes.is_placeholder(whole) and whole + 8 > size:
        raise sizes.cut_short()
    common, position = 0, 12
    while position < size:
        stream.seek(position)
        name, length = stream.read(4), int.from_bytes(stream.read(4), "big")
        if name == b"COMM":
            common = position + 8
        if name == b"SSND":
            break
        position += 8 + length + length % 2
    else:
        return Layout()
    start = position + 16 + int.from_bytes(stream.read(4), "big")
    text = sizes.check_size(length - 8 if length else 0, size - start, start, whole=whole + 8 == size)
    frame = _frame_bytes(stream, common, form) if common else 0
    stream.seek(common + 2)
    counted = int.from_bytes(stream.read(4), "big")
    there = size - start
    if not text:
        # Of two sizes that differ, the larger one that the file has room for.
        told = max(length - 8, counted * frame if counted * frame <= there else 0)
        there = told if sizes.is_explained(stream, start + told, size, head=8, count=4, align=2) else there
    if not frame or (not text and max(abs(counted * frame - there), abs(length - 8 - there)) < frame):
        return Layout()
    text = text or sizes.note(counted * frame, there)
    sizes.refuse_another(stream, start, size)
    return Layout((_patched(size, {4: size - 8, common + 2: there // frame, position + 4: there + 8}),), (text,))


def _frame_bytes(stream: BinaryIO, common: int, form: bytes) -> int:
    """Bytes of a sample of all channels; 0 where samples have no size."""
    stream.seek(common)
    channels = int.from_bytes(stream.read(2), "big")
    stream.seek(common + 6)
    bits = int.from_bytes(stream.read(2), "big")
    coding = b"NONE"
    if form == b"AIFC":
        stream.seek(common + 18)
        coding = stream.read(4)
    return channels * (_CODINGS[coding] or (bits + 7) // 8) if coding in _CODINGS else 0


def au_layout(stream: BinaryIO, size: int) -> Layout:
    """AU: a size of the samples, 0xFFFFFFFF where it is not known.

    Raises:
        BadItem: cut short, or without a sample.
    """
    stream.seek(4)
    start, length = (int.from_bytes(stream.read(4), "big") for _ in range(2))
    if length == 0xFFFFFFFF and start < size:
        return Layout()
    text = sizes.check_size(length, size - start, start)
    if not text and length == size - start:
        return Layout()
    sizes.refuse_another(stream, start, size)
    return Layout((_patched(size, {8: 0xFFFFFFFF}),), (text or sizes.note(length, size - start),))


def caf_layout(stream: BinaryIO, size: int) -> Layout:
    """CAF: chunks with sizes of 64 bits; -1 for samples that end with the file.

    Raises:
        BadItem: cut short, or without a sample.
    """
    position = 8
    while position < size:
        stream.seek(position)
        name, length = stream.read(4), int.from_bytes(stream.read(8), "big", signed=True)
        if name == b"data":
            break
        if length < 0:
            return Layout()
        position += 12 + length
    else:
        return Layout()
    start = position + 12
    text = sizes.check_size(length, size - start, start)
    if not text and sizes.is_explained(stream, start + length, size, head=12, count=8):
        return Layout()
    sizes.refuse_another(stream, start, size)
    text = text or sizes.note(length, size - start)
    pieces: tuple[Piece, ...] = ((0, position + 4), (size - start).to_bytes(8, "big"), (start, size))
    return Layout((pieces,), () if length == -1 else (text,))


def _patched(size: int, values: dict[int, int]) -> tuple[Piece, ...]:
    """A file with other numbers of 32 bits in it.

    Raises:
        BadItem: a number is larger.
    """
    if max(values.values()) > 0xFFFFFFFF:
        raise BadItem("over 4 GiB in a format that counts to 4 GiB", "convert it to WAV or FLAC", "audio-unchecked")
    pieces: list[Piece] = []
    at = 0
    for position, value in sorted(values.items()):
        pieces += [(at, position), value.to_bytes(4, "big")]
        at = position + 4
    return (*pieces, (at, size))
