"""Reading of what scoring needs: Kaldi text files and words.jsonl; JSON without NaN."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NoReturn

from espnet_jst.config import finite, json_text
from espnet_jst.data.kaldi import printable, read_table
from espnet_jst.errors import DataError
from espnet_jst.text.lines import read_lines
from espnet_jst.text.words import Word

DIGITS = 6  # decimals of what is written
_WORD_FIELDS = {item.name for item in fields(Word)}


@dataclass(frozen=True)
class DecodedUtterance:
    """One line of words.jsonl.

    Attributes:
        words: all lanes' final words, in the order in which they were shown.
        chunks: (audio heard at the chunk's end, processing time of that chunk), in s; empty where not measured.
    """

    utt_id: str
    duration_s: float
    words: tuple[Word, ...]
    chunks: tuple[tuple[float, float], ...] = field(default=())

    def lane(self, name: str) -> list[Word]:
        """The words of one lane, in order."""
        return [word for word in self.words if word.lane == name]


def read_texts(path: Path) -> dict[str, str]:
    """A Kaldi text file, "utt words ...", as {utt: text} with single spaces; a key alone is an empty text.

    Raises:
        DataError: the file is missing or not UTF-8, or a key comes twice.
    """
    return {key: " ".join(text.split()) for key, text in read_table(path).items()}


def read_numbers(path: Path) -> dict[str, list[float]]:
    """A Kaldi file of numbers, "utt 0.30 0.70 ..." ("-" or nothing: none), as {utt: numbers}.

    Raises:
        DataError: as `read_texts`, or a value is not a number.
    """
    result = {}
    for key, text in read_texts(path).items():
        try:
            result[key] = [] if text == "-" else [float(value) for value in text.split()]
        except ValueError:
            raise DataError(f"{path}: utterance {key!r} holds something that is not a number: {text[:60]!r}") from None
    return result


def read_words(path: Path) -> dict[str, DecodedUtterance]:
    """words.jsonl of a decode directory as {utt: its words}.

    Raises:
        DataError: the file is missing, or a line is not JSON or lacks a key; the message names line and key.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; decode with jst_inference, which writes it")
    result: dict[str, DecodedUtterance] = {}
    for number, line in enumerate(read_lines(path), 1):
        if line.strip():
            utterance = _decoded(line, f"{path}:{number}")
            if utterance.utt_id in result:
                raise DataError(f"{path}:{number}: utterance {utterance.utt_id!r} comes twice; decode again")
            result[utterance.utt_id] = utterance
    return result


def _decoded(line: str, where: str) -> DecodedUtterance:
    try:
        item = json.loads(line, parse_constant=_not_json)
        words = [Word(**{k: v for k, v in word.items() if k in _WORD_FIELDS}) for word in item["words"]]
        return DecodedUtterance(
            utt_id=item["utt_id"],
            duration_s=float(item["duration_s"]),
            words=tuple(word for word in words if word.final),
            chunks=tuple((float(c["audio_s"]), float(c["elapsed_s"])) for c in item.get("compute_s") or ()),
        )
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg}); the decode may have been cut off: run it again") from None
    except KeyError as error:
        raise DataError(f"{where}: key {error} is missing; decode again with jst_inference") from None
    except TypeError as error:
        raise DataError(f"{where}: a word is incomplete ({error}); decode again with jst_inference") from None


def _not_json(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is no number", name, 0)


def write_json(value: object, path: Path) -> None:
    """Write a value with `DIGITS` decimals, replacing the file in one step."""
    write_text(json_text(finite(value, DIGITS), indent=1, ensure_ascii=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a text file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def some_names(names: Sequence[str]) -> str:
    """The first few names and how many more there are, for a message."""
    shown = printable(", ".join(names[:5]))
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def read_signature(hyp_dir: Path) -> dict:
    """`signature.json` of a decode directory, or {} where there is none.

    Raises:
        DataError: the file is not a JSON object.
    """
    path = hyp_dir / "signature.json"
    return read_object(path, "decode again") if path.exists() else {}


def read_object(path: Path, fix: str) -> dict:
    """A JSON object.

    Raises:
        DataError: the file is not one; the message ends with what to do.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); {fix}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds a {type(content).__name__}, not an object of keys and values; {fix}")
    return content
