"""A SentencePiece model from elsewhere, looked at before SentencePiece reads it.

SentencePiece follows the table of its normalization (a double-array trie, Darts-clone) without a look at where it
ends: a table that points outside makes the process read foreign memory, or end.
"""

from __future__ import annotations

import numpy as np

_OWN_LABEL = 2**31  # of a unit that holds a value: no character leads there


def check_model(content: bytes) -> None:
    """Refuse what SentencePiece could not read safely.

    Args:
        content: a model, serialized.

    Raises:
        ValueError: it is no model, or its normalization points outside of itself.
    """
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    for spec in (model.normalizer_spec, model.denormalizer_spec):
        if spec.precompiled_charsmap and not _stays_inside(spec.precompiled_charsmap):
            raise ValueError("its normalization points outside of itself")


def _stays_inside(table: bytes) -> bool:
    """Whether every step through the trie and every text that it ends at lies in the table."""
    size = int.from_bytes(table[:4], "little")
    texts = table[4 + size :]
    if size == 0 or size % 4 or not texts.endswith(b"\0"):  # also where the trie is longer than the table
        return False
    units = np.frombuffer(table, "<u4", size // 4, offset=4).astype(np.int64)
    offsets = (units >> 10) << ((units & 512) >> 6)
    below = np.arange(len(units)) ^ offsets  # where the values of a unit and its followers begin
    inner = units < _OWN_LABEL
    # A byte of the text is one of 256 followers.
    if ((below | 255)[inner] >= len(units)).any():
        return False
    ends = below[inner & (units & 256 > 0)]
    return bool((units[ends] % _OWN_LABEL < len(texts)).all())
