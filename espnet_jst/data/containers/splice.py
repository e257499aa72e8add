"""Byte ranges of a file, and bytes of our own, as one readable file: how a header is corrected without a copy."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

Piece = bytes | tuple[int, int]
"""Bytes as they are, or a range (start, stop) of the file."""

BUFFER = 1 << 16


@dataclass(frozen=True)
class Layout:
    """What a file holds by its bytes.

    Attributes:
        parts: runs that are decoded one after the other, each as the pieces of a file of its own; none where the
            header is right and the file can be read as it is.
        notes: what the header says wrongly.
        least: samples of which a decoder that finds fewer has missed some.
        known: False for a format that nothing here looks into.
    """

    parts: tuple[tuple[Piece, ...], ...] = ()
    notes: tuple[str, ...] = ()
    least: int = 0
    known: bool = True


class Splice(io.RawIOBase):
    """The pieces of a file in a row, to be read and sought."""

    def __init__(self, stream: BinaryIO, pieces: Sequence[Piece]) -> None:
        self._error: BaseException | None = None
        self._stream, self._pieces = stream, [piece for piece in pieces if _length(piece)]
        self._position = 0
        self._starts = [0]
        for piece in self._pieces:
            self._starts.append(self._starts[-1] + _length(piece))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
        try:
            found = self._take(len(buffer))
        except BaseException as error:
            self._error = error
            return 0
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise at the end what reading the file raised in between: it cannot pass through a decoder in C."""
        try:
            yield
        finally:
            if self._error is not None:
                raise self._error

    def _take(self, count: int) -> bytes:
        for piece, start, stop in zip(self._pieces, self._starts, self._starts[1:]):
            if start <= self._position < stop:
                skip, count = self._position - start, min(count, stop - self._position)
                if isinstance(piece, bytes):
                    return piece[skip : skip + count]
                self._stream.seek(piece[0] + skip)
                return self._stream.read(count)
        return b""


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
