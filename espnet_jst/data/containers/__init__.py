"""What an audio file holds by its bytes: headers are read with doubt, what they say wrongly is put right."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, cast

from espnet_jst.data.containers.big_endian import aiff_layout, au_layout, caf_layout
from espnet_jst.data.containers.flac import flac_layout
from espnet_jst.data.containers.mpeg import mpeg_layout
from espnet_jst.data.containers.ogg import ogg_layout
from espnet_jst.data.containers.riff import riff_layout
from espnet_jst.data.containers.splice import Layout, Piece, Splice
from espnet_jst.data.containers.tags import after_tags
from espnet_jst.data.containers.w64_sphere import sphere_layout, w64_layout

_LAYOUTS: dict[bytes, Callable[[BinaryIO, int], Layout]] = {
    b"RIFF": riff_layout,
    b"RF64": riff_layout,
    b"BW64": riff_layout,
    b"riff": w64_layout,
    b"NIST": sphere_layout,
    b"FORM": aiff_layout,
    b".snd": au_layout,
    b"caff": caf_layout,
    b"OggS": ogg_layout,
    b"fLaC": flac_layout,
}


def find_layout(stream: BinaryIO, size: int) -> Layout:
    """How to decode all of the audio in a file of `size` bytes.

    Raises:
        BadItem: without the name of the file: samples are missing, or cannot be put in a row.
    """
    start = after_tags(stream, 0)
    stream.seek(start)
    find = _LAYOUTS.get(stream.read(4))
    if find is None:
        return mpeg_layout(stream, size)
    if not start:
        return find(stream, size)
    behind = find(cast(BinaryIO, io.BufferedReader(Splice(stream, [(start, size)]))), size - start)
    parts = behind.parts or (((0, size - start),),)
    return Layout(tuple(tuple(_moved(piece, start) for piece in part) for part in parts), behind.notes, behind.least)


def _moved(piece: Piece, by: int) -> Piece:
    return piece if isinstance(piece, bytes) else (piece[0] + by, piece[1] + by)
