"""Token lists from SentencePiece models of released recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import ConfigError
from espnet_jst.text.sentencepiece_model import check_model
from espnet_jst.text.token_list import BLANK, SOS_EOS, UNK

MAX_BYTES = 2**26
BLANKS = ("<blk>", BLANK)


@dataclass(frozen=True)
class Pieces:
    """A token list and the SentencePiece model that goes with it.

    Attributes:
        tokens: by id, under our names of blank and unknown.
        unknown: id of the latter.
        model: the SentencePiece model, in which these are renamed too; blank and `<sos/eos>` never come out of a text.
    """

    tokens: tuple[str, ...]
    unknown: int
    model: bytes


def read_pieces(path: str | Path, count: int, option: str) -> Pieces:
    """The pieces of a SentencePiece model.

    Args:
        path: the model.
        count: tokens that the checkpoint has.
        option: names the model in messages.

    Raises:
        ConfigError: it cannot be read, its first piece is no blank, or it has another number of pieces.
    """
    from sentencepiece import sentencepiece_model_pb2

    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes")
        content = path.read_bytes()
        check_model(content)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--{option} {path} is no SentencePiece model ({error})") from error
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(content)
    if len(model.pieces) != count:
        raise ConfigError(
            f"--{option} {path} has {len(model.pieces)} pieces and the checkpoint {count} tokens: give the model that "
            "it was trained with"
        )
    if model.pieces[0].piece not in BLANKS:
        raise ConfigError(f"--{option} {path}: its first piece is {model.pieces[0].piece!r}, and not {BLANKS[0]}")
    unknown = [number for number, piece in enumerate(model.pieces) if piece.type == piece.UNKNOWN]
    if len(unknown) != 1:
        raise ConfigError(f"--{option} {path} has {len(unknown)} pieces for what is unknown: it must have one")
    model.pieces[0].piece, model.pieces[unknown[0]].piece = BLANK, UNK
    for piece in model.pieces:
        if piece.piece in (BLANK, SOS_EOS):
            piece.type = piece.CONTROL
    return Pieces(tuple(piece.piece for piece in model.pieces), unknown[0], model.SerializeToString())
