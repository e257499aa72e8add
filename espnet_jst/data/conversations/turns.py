"""turns.jsonl: a line a conversation, as `espnet-jst simulate` writes it and a corpus of conversations may be given.

{"conversation": "c1", "turns": [{"speaker": "self", "start_s": 0.5, "end_s": 2.1, "texts": {"text.lc.en": "two four",
"text.lc.de": "zwei vier"}, "times": {"word_times": "0.9 1.8"}, "alignment": "0-0 1-1"}]}

Times of words count from the start of the conversation, as its recording has them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_jst.config import shown
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.errors import DataError
from espnet_jst.text.lines import read_lines

FILE = "turns.jsonl"
AGAIN = "correct the conversation in turns.jsonl"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one speaker says at a time.

    Attributes:
        utterance: where it comes from; may be empty.
        start_s, end_s: as the recording has it.
        texts: "text.lc.en" -> text.
        times: `word_times` or `word_times.ref` -> its line.
        links: Pharaoh links; empty where there are none.
    """

    speaker: str
    utterance: str
    language: str
    start_s: float
    end_s: float
    texts: Mapping[str, str]
    times: Mapping[str, str]
    links: str


@dataclass(frozen=True)
class Conversation:
    """Turns by their starts."""

    name: str
    turns: tuple[Turn, ...]


def read_turns(path: Path) -> tuple[list[Conversation], list[Problem]]:
    """The conversations of a file, and what is wrong with others.

    Raises:
        DataError: there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; run espnet-jst simulate, or write a line of JSON for each conversation")
    found: dict[str, Conversation] = {}
    problems: list[Problem] = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        name = f"{path.name}:{number}"
        try:
            item = _item(line)
            name = str(item["conversation"])
            if name in found:
                raise BadItem("the conversation is there twice", "give each a name of its own", "key-twice")
            found[name] = Conversation(name, _turns(item["turns"]))
        except BadItem as error:
            problems.append(Problem.of(name, error))
    return list(found.values()), problems


def _item(line: str) -> dict[str, Any]:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise BadItem(f"not JSON ({error})", "write the line again", "turns-invalid") from None
    name = item.get("conversation") if isinstance(item, dict) else None
    if not isinstance(name, str) or len(name.split()) != 1 or not isinstance(item.get("turns"), list):
        reason = "not a conversation with a name without blanks and a list of turns"
        raise BadItem(reason, "write the line again", "turns-invalid")
    return item


def _turns(items: list[Any]) -> tuple[Turn, ...]:
    if not items:
        raise BadItem("it has no turn", "remove it, or give its turns", "turns-invalid")
    return tuple(sorted((_turn(item, number) for number, item in enumerate(items, 1)), key=lambda turn: turn.start_s))


def _turn(item: Any, number: int) -> Turn:
    if not isinstance(item, dict):
        raise BadItem(f"turn {number} is {shown(item)}, not an object of keys and values", AGAIN, "turns-invalid")
    speaker = item.get("speaker")
    if not isinstance(speaker, str) or len(speaker.split()) != 1 or set(speaker) & set("<>"):
        reason = f"turn {number}: speaker is {shown(speaker)}"
        raise BadItem(reason, "give who speaks, in one word such as self, without < and >", "speaker-missing")
    start_s, end_s, delay_s = (_seconds(item, key, number) for key in ("start_s", "end_s", "delay_s"))
    if end_s < start_s:
        raise BadItem(f"turn {number} ends at {end_s:g} s, before its start at {start_s:g} s", AGAIN, "times-backwards")
    return Turn(
        speaker=speaker,
        utterance=str(item.get("utterance") or ""),
        language=str(item.get("language") or ""),
        start_s=start_s + delay_s,
        end_s=end_s + delay_s,
        texts=_lines(item, "texts", number),
        times=_lines(item, "times", number),
        links=str(item.get("alignment") or "").strip(),
    )


def _seconds(item: Mapping[str, Any], key: str, number: int) -> float:
    value = item.get(key, 0.0 if key == "delay_s" else None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise BadItem(f"turn {number}: {key} is {shown(value)}", "give seconds from 0 on", "times-invalid")
    return float(value)


def _lines(item: Mapping[str, Any], key: str, number: int) -> dict[str, str]:
    lines = item.get(key) or {}
    if not isinstance(lines, dict) or not all(isinstance(line, str) for line in lines.values()):
        raise BadItem(f"turn {number}: {key} is {shown(lines)}", "give a line of text for each file", "turns-invalid")
    return lines
