"""FLAC: the number of samples stands in the header, and follows from the last frame, which is believed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

from espnet_jst.data.containers import sizes
from espnet_jst.data.containers.splice import Layout, Piece
from espnet_jst.data.containers.tags import before_tags

START = b"fLaC\0\0\0\x22"  # with the head of the block that must come first, 34 bytes long
LAST_START = b"fLaC\x80\0\0\x22"
COUNT = 8 + 13  # where the number of samples stands: the lower half of this byte, and four more
COUNT_MASK = (1 << 36) - 1
TAIL = 1 << 20  # a frame may have 65,535 samples of 8 channels
BLOCK = 1 << 22
SIZES = {1: 192, 2: 576, 3: 1152, 4: 2304, 5: 4608} | {code: 1 << code for code in range(8, 16)}  # of frames, by code


def flac_layout(stream: BinaryIO, size: int) -> Layout:
    """The streams of a file (`cat a.flac b.flac` has two), each with the number of samples that it has."""
    size = max(len(START), before_tags(stream, size))
    starts = list(_starts(stream, size))
    parts: list[tuple[Piece, ...]] = []
    notes = [f"{len(starts)} recordings one after the other, all are taken"] if len(starts) > 1 else []
    for start, stop in zip(starts, [*starts[1:], size]):
        stream.seek(start)
        head = bytearray(stream.read(COUNT + 5))
        counted = int.from_bytes(head[COUNT:], "big") & COUNT_MASK
        there, frame = _count(stream, start, stop)
        sizes.refuse_another(stream, stop - len(frame), stop)
        # Where more is promised than there is, the file was cut short, and the decoder says so.
        if there > counted:
            notes.append(f"the header counts {counted} samples, {there} are there and taken")
            # A last frame that does not end with the file may not be the last: the decoder shall go on to the end.
            ends = _crc(frame, 16, 0x8005) == 0
            other = int.from_bytes(head[COUNT:], "big") & ~COUNT_MASK | (there if ends else 0)
            head[COUNT:] = other.to_bytes(5, "big")
        parts.append((bytes(head), (start + COUNT + 5, stop)))
    return Layout(tuple(parts), tuple(notes)) if notes else Layout()


def _starts(stream: BinaryIO, size: int) -> Iterator[int]:
    """Where streams start."""
    for position in range(0, size, BLOCK):
        stream.seek(position)
        block = stream.read(BLOCK + len(START) - 1)
        found = []
        for mark in (START, LAST_START):
            at = block.find(mark)
            while at >= 0:
                found.append(position + at)
                at = block.find(mark, at + 1)
        yield from sorted(found)


def _count(stream: BinaryIO, start: int, stop: int) -> tuple[int, bytes]:
    """Samples up to the end of the last frame, 0 where none is found; and the bytes from there to `stop`."""
    first = _first_frame(stream, start)
    stream.seek(first)
    model = stream.read(16)
    block = _samples_after(model, 0)
    # What follows the last frame may be longer than one: another tag, zeros of a disk that was full.
    for end in range(stop, first, -TAIL) if block else ():
        stream.seek(max(first, end - TAIL))
        tail = stream.read(end - stream.tell() + len(model))
        at = tail.rfind(model[:2])
        while at >= 0:
            head = tail[at : at + 16]
            found = _samples_after(head, block)
            # All frames of a stream have the same sampling rate and bits of a sample.
            if found and head[2] & 0x0F == model[2] & 0x0F and head[3] & 0x0F == model[3] & 0x0F:
                stream.seek(max(first, end - TAIL) + at)
                return found, stream.read(min(TAIL, stop - stream.tell()))
            at = tail.rfind(model[:2], 0, at + 1)
    return 0, b""


def _first_frame(stream: BinaryIO, start: int) -> int:
    """Where the frames start, behind the blocks of the header."""
    position, last = start + 4, False
    while not last:
        stream.seek(position)
        head = stream.read(4)
        last = len(head) < 4 or head[0] >= 0x80
        position += 4 + int.from_bytes(head[1:], "big")
    return position


def _samples_after(head: bytes, block: int) -> int:
    """Samples up to the end of the frame whose first bytes are given; 0 where it is no frame.

    Args:
        block: samples of the frames before, where all have the same number.
    """
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
        return 0
    # The number of the frame (or, where their lengths differ, of its first sample) is written as UTF-8 writes one.
    extra = next((bits for bits in range(8) if not head[4] << bits & 0x80), 8)
    extra, length = max(0, extra - 1), extra
    if length in (1, 8):
        return 0
    number = head[4] & (0x7F if not length else 0x7F >> length)
    for byte in head[5 : 5 + extra]:
        number = number << 6 | byte & 0x3F
    at = 5 + extra
    code, rate = head[2] >> 4, head[2] & 0x0F
    width = {6: 1, 7: 2}.get(code, 0)
    samples = SIZES.get(code, 0) if not width else int.from_bytes(head[at : at + width], "big") + 1
    at += width + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if not samples or at >= len(head) or _crc(head[: at + 1], 8, 0x07):
        return 0
    return (number if head[1] & 1 else number * block) + samples


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    """Remainder of data; 0 where it ends with its own checksum."""
    table, mask, rest = _crc_table(bits, polynomial), (1 << bits) - 1, 0
    for byte in data:
        rest = (rest << 8 & mask) ^ table[rest >> bits - 8 ^ byte]
    return rest


@lru_cache
def _crc_table(bits: int, polynomial: int) -> list[int]:
    table = []
    for value in range(256):
        value <<= bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> bits - 1 & 1 else 0)
        table.append(value & (1 << bits) - 1)
    return table
