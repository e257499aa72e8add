"""ESPnet's token list: one token a line, the line number is the id."""

from __future__ import annotations

import re
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.text.lines import read_lines

BLANK = "<blank>"
UNK = "<unk>"
SOS_EOS = "<sos/eos>"
SPACE = "<space>"
WORD_START = "\u2581"  # the marker that SentencePiece puts before the first piece of a word
TOKEN_TYPES = ("bpe", "word", "char")  # ESPnet's names of what a token is

_TAG = re.compile(r"<[^\s<>]+>")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def is_tag(token: str) -> bool:
    """Whether a token has the form `<...>` and is none of ESPnet's or SentencePiece's own tokens."""
    return bool(_TAG.fullmatch(token)) and token not in (BLANK, UNK, SOS_EOS, SPACE) and not _BYTE.fullmatch(token)


def read_tokens(path: str | Path) -> list[str]:
    """Tokens of a token list, in the order of their ids.

    Raises:
        DataError: the file is missing or empty.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"token list {path} does not exist: run the token stage, or correct token_list")
    tokens = read_lines(path)
    if not tokens:
        raise DataError(f"token list {path} is empty: run the token stage again")
    return tokens
