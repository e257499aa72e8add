"""ESPnet's token list: one token a line, the line number is the id."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from espnet_jst.errors import ConfigError, DataError
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


def token_list_of(where: str, asked: str | None, usual: str, lists: Collection[str]) -> str:
    """ "src" or "tgt": which token list a part of a model uses: the one that it asks for, or the usual one if there is.

    Raises:
        ConfigError: it is not among `lists`.
    """
    name = asked or (usual if usual in lists else "tgt")
    if name not in lists:
        raise ConfigError(f"{where}: vocabulary {name!r} needs --src_token_list, which is not given")
    return name


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
