"""References with speakers: segments.<case>.<language>.jsonl of a data directory, a line a segment as meeteval has it.

{"session_id": "a1", "speaker": "self", "words": "four two seven", "start_time": 0.0, "end_time": 1.5}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_jst.config import shown
from espnet_jst.data.texts import segments_file
from espnet_jst.errors import DataError
from espnet_jst.text.lanes import LANES, Lane
from espnet_jst.text.lines import read_lines


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one speaker says at a time.

    Attributes:
        session: utterance of the decode directory that it is part of.
        words: its text; of a translation that of what was said from `start_s` to `end_s`, in seconds.
    """

    session: str
    speaker: str
    words: str
    start_s: float
    end_s: float


def segments_name(lane: Lane, text: str) -> str:
    """Name of the file beside the lane's text: segments.lc.en.jsonl beside text.lc.en, of a further lane
    segments_<file>.lc.en.jsonl."""
    if lane.file in {known.file for known in LANES.values()}:
        return segments_file(text)
    return f"segments_{lane.file}{text.removeprefix(lane.file)}.jsonl"


def speaker_tags(path: Path) -> frozenset[str]:
    """Tags of the speakers of a file of segments, by which a text says who speaks; none where there is no file.

    Raises:
        DataError: see `read_segments`.
    """
    if not path.exists():
        return frozenset()
    return frozenset(f"<{segment.speaker}>" for said in read_segments(path).values() for segment in said)


def read_segments(path: Path) -> dict[str, list[Segment]]:
    """Session -> its segments in order of their starts; those that start together stay in the file's order.

    Raises:
        DataError: the file is missing or empty or not UTF-8, or a line is not a segment; the message names the line.
    """
    try:
        lines = read_lines(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; write a line of JSON for each segment of a speaker") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); write it again") from None
    found: dict[str, list[Segment]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            segment = _segment(line, f"{path}:{number}")
            found.setdefault(segment.session, []).append(segment)
    if not found:
        raise DataError(f"{path} holds no segment; write them, or remove the file: then no speaker is scored")
    return {session: sorted(segments, key=lambda s: s.start_s) for session, segments in found.items()}


def _segment(line: str, where: str) -> Segment:
    try:
        item = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error}); write the line again") from None
    if not isinstance(item, dict):
        raise DataError(f"{where}: holds {shown(item)}, not an object of keys and values; write the line again")
    start_s, end_s = (_seconds(item, key, where) for key in ("start_time", "end_time"))
    if not 0.0 <= start_s <= end_s:
        raise DataError(f"{where}: from {start_s} to {end_s} s; a segment starts at 0 or later and ends after that")
    return Segment(
        session=_text(item, "session_id", where),
        speaker=_text(item, "speaker", where),
        words=" ".join(_text(item, "words", where, empty=True).split()),
        start_s=start_s,
        end_s=end_s,
    )


def _value(item: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in item:
        raise DataError(f"{where}: key {key!r} is missing; a segment has session_id, speaker, words and its times")
    return item[key]


def _text(item: Mapping[str, Any], key: str, where: str, *, empty: bool = False) -> str:
    value = _value(item, key, where)
    if not isinstance(value, str) or not (empty or value.strip()):
        raise DataError(f"{where}: {key} is {shown(value)}; give a text{'' if empty else ' that is not empty'}")
    return value


def _seconds(item: Mapping[str, Any], key: str, where: str) -> float:
    value = _value(item, key, where)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"{where}: {key} is {shown(value)}; give seconds as a number")
    return float(value)
