"""Ogg: pages with a checksum and a number each. Joined streams follow each other; a gap is heard by nobody else."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from espnet_jst.data.bad_item import AGAIN, BadItem
from espnet_jst.data.containers import sizes
from espnet_jst.data.containers.splice import Layout

CONTINUED, FIRST, LAST = 1, 2, 4  # flags of a page
TAIL = 65307  # bytes of the largest page: less than one behind the last page is a tag
# Ogg's checksum is that of zlib with the bits of each byte, and of the result, in the other order.
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class _Page:
    start: int
    stop: int
    flags: int
    serial: bytes
    number: int
    samples: int  # up to the last packet that ends here; -1 where none does


def ogg_layout(stream: BinaryIO, size: int) -> Layout:
    """The streams of a file that follow each other (chained, as of `cat a.ogg b.ogg`).

    Raises:
        BadItem: a damaged or missing page, or a stream without its last page.
    """
    starts: list[int] = []
    opening = False
    pages: dict[bytes, _Page] = {}
    for page in _pages(stream, size):
        if page.flags & FIRST:
            if not opening:
                _check_ends(pages)
                pages, opening = {}, True
                starts.append(page.start)
        else:
            opening = False
            before = pages.get(page.serial)
            if before is None or page.number != (before.number + 1) % (1 << 32):
                raise sizes.damaged(page.start)
            # Decoders drop what lies beyond the last count.
            if page.samples < 0:
                page = replace(page, samples=before.samples)
            if page.samples < before.samples:
                reason = f"the page at byte {page.start} counts {page.samples} samples, one before it {before.samples}"
                raise BadItem(reason, AGAIN, "audio-damaged")
        pages[page.serial] = page
    _check_ends(pages)
    if len(starts) < 2:
        return Layout()
    stops = [*starts[1:], size]
    note = f"{len(starts)} recordings one after the other, all are taken"
    return Layout(tuple(((start, stop),) for start, stop in zip(starts, stops, strict=True)), (note,))


def _check_ends(pages: dict[bytes, _Page]) -> None:
    if any(not page.flags & LAST for page in pages.values()):
        raise sizes.cut_short()


def _pages(stream: BinaryIO, size: int) -> Iterator[_Page]:
    position = 0
    while position < size:
        stream.seek(position)
        head = stream.read(27)
        table = stream.read(head[26]) if len(head) == 27 else b""
        if head[:4] != b"OggS":
            if 0 < size - position < TAIL and b"OggS" not in head + stream.read():
                sizes.refuse_another(stream, position, size)
                return
            raise sizes.damaged(position)
        stop = position + 27 + len(table) + sum(table)
        if len(head) < 27 or stop > size:
            raise sizes.cut_short()
        body = stream.read(sum(table))
        if _checksum(head[:22] + bytes(4) + head[26:] + table + body) != int.from_bytes(head[22:26], "little"):
            raise sizes.damaged(position)
        samples = int.from_bytes(head[6:14], "little", signed=True)
        if samples < 0 and any(length < 255 for length in table):
            raise sizes.damaged(position)
        yield _Page(position, stop, head[5], head[14:18], int.from_bytes(head[18:22], "little"), samples)
        position = stop


def _checksum(data: bytes) -> int:
    value = zlib.crc32(data.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)
