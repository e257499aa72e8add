"""What an audio file holds by its bytes: headers are read with doubt, what they say wrongly is put right."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from espnet_jst.data.containers.ogg import ogg_layout
from espnet_jst.data.containers.riff import riff_layout
from espnet_jst.data.containers.splice import Layout

_LAYOUTS: dict[bytes, Callable[[BinaryIO, int], Layout]] = {
    b"RIFF": riff_layout,
    b"RF64": riff_layout,
    b"BW64": riff_layout,
    b"OggS": ogg_layout,
}


def find_layout(stream: BinaryIO, size: int) -> Layout:
    """How to decode all of the audio in a file of `size` bytes.

    Raises:
        BadItem: without the name of the file: samples are missing, or cannot be put in a row.
    """
    stream.seek(0)
    find = _LAYOUTS.get(stream.read(4))
    return Layout() if find is None else find(stream, size)
