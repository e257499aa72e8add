"""Wave64 and NIST SPHERE: what libsndfile reads of them silently although the file was cut short."""

from __future__ import annotations

import re
from typing import BinaryIO

from espnet_jst.data.containers import sizes
from espnet_jst.data.containers.riff import wave_pieces
from espnet_jst.data.containers.splice import Layout

HEAD = 24  # bytes of a chunk's name (a GUID, of which four bytes are RIFF's name) and size


def w64_layout(stream: BinaryIO, size: int) -> Layout:
    """Wave64: RIFF with names of 16 bytes and sizes of 8, which count the chunk's head.

    Raises:
        BadItem: cut short, or without a sample.
    """
    fmt, position = b"", HEAD + 16
    while position + HEAD < size:
        stream.seek(position)
        head = stream.read(HEAD)
        length, start = int.from_bytes(head[16:], "little"), position + HEAD
        if head[:4] == b"fmt ":
            fmt = stream.read(max(0, min(length, 1 << 16) - HEAD))
        if head[:4] == b"data" and fmt:
            note = sizes.check_size(max(0, length - HEAD), size - start, start)
            stop = size if note else start + length - HEAD
            if not note and not sizes.is_explained(stream, stop, size, head=HEAD, count=8, align=8):
                note, stop = sizes.note(length - HEAD, size - start), size
            if note:
                sizes.refuse_another(stream, start, size)
            elif size - stop < 8:
                return Layout()
            # libsndfile takes what follows the samples for samples.
            return Layout((wave_pieces(fmt, [(start, stop)]),), (note,) if note else ())
        if length < HEAD:
            break
        position += (length + 7) // 8 * 8
    return Layout()


def sphere_layout(stream: BinaryIO, size: int) -> Layout:
    """NIST SPHERE: a text header; libsndfile goes by the length of the file.

    Raises:
        BadItem: cut short, or without a sample.
    """
    stream.seek(0)
    head = stream.read(1 << 14).split(b"end_head")[0].decode("ascii", errors="replace")
    fields = dict(re.findall(r"^(\w+) -\w+ (\S+)", head, flags=re.MULTILINE))
    numbers = [fields.get(name, "") for name in ("sample_count", "channel_count", "sample_n_bytes")]
    start = head.split("\n")[1].strip() if head.count("\n") > 1 else ""
    # Compressed samples ("pcm,embedded-shorten-v2.00") are for libsndfile to refuse.
    if "," not in fields.get("sample_coding", "") and all(number.isdecimal() for number in (*numbers, start)):
        count, channels, width = map(int, numbers)
        note = sizes.check_size(count * channels * width, size - int(start), int(start))
        if note or count * channels * width < size - int(start):
            sizes.refuse_another(stream, int(start), size)
    return Layout()
