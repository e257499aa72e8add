"""ID3 and APE tags: before, between and behind what is audio."""

from __future__ import annotations

from typing import BinaryIO

ID3V1 = 128
APE = 32  # bytes of the header, and of the footer


def after_tags(stream: BinaryIO, position: int) -> int:
    """The first byte behind the tags at `position`."""
    while True:
        stream.seek(position)
        head = stream.read(32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
            # Seven bits a byte; a flag says that ten more bytes follow.
            length = 0
            for byte in head[6:10]:
                length = length << 7 | byte
            position += 10 + length + (10 if head[5] & 0x10 else 0)
        elif head[:3] == b"TAG":
            position += ID3V1
        elif head[:8] == b"APETAGEX":
            # The size counts the footer, not the header.
            position += APE + int.from_bytes(head[12:16], "little")
        else:
            return position


def before_tags(stream: BinaryIO, stop: int) -> int:
    """Where audio that ends at `stop` ends before an APE tag and an ID3v1 tag."""
    stream.seek(max(0, stop - ID3V1))
    if stream.read(3) == b"TAG":
        stop -= ID3V1
    stream.seek(max(0, stop - APE))
    footer = stream.read(APE)
    if footer[:8] == b"APETAGEX":
        # A flag says that a header of the same form stands before.
        stop -= int.from_bytes(footer[12:16], "little") + (APE if footer[23] & 0x80 else 0)
    return stop
