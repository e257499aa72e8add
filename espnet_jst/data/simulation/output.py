"""The files of a data directory of conversations, and how far they are from what was asked."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_jst.config import json_text
from espnet_jst.data import kaldi
from espnet_jst.data.checks import NO_VALUE
from espnet_jst.data.simulation.corpus import SPANS, TIMES


@dataclass(frozen=True)
class Summary:
    """What was made: how far it is from what was asked, at worst (and in the median for the reverberation time)."""

    conversations: int
    hours: float
    skipped: int
    rt60_median: float
    rt60_worst: float
    snr_worst_db: float
    overlap_worst: float

    def __str__(self) -> str:
        rt60 = f"RT60 differs from what was asked by {self.rt60_median:.1%} (median), {self.rt60_worst:.1%} (most)"
        return (
            f"{self.conversations} conversations, {self.hours:.2f} hours; {self.skipped} utterances left out\n"
            f"{rt60}; SNR by {self.snr_worst_db:.3f} dB (most); overlap by {self.overlap_worst:.4f} (most)"
        )


def name_of(index: int) -> str:
    """Key of a conversation."""
    return f"conversation{index:07d}"


def audio_path(out: Path, index: int) -> Path:
    """Its samples."""
    return out / "audio" / f"{name_of(index)}.flac"


def record_path(out: Path, index: int) -> Path:
    """What is known of it; written last."""
    return out / "conversations" / f"{name_of(index)}.json"


def collect(
    out: Path, labels: Sequence[str], files: Sequence[str], num: int, skipped: int, prefix: str = ""
) -> Summary:
    """Write the files, from what is known of each conversation.

    Args:
        labels: of the talkers.
        files: texts, and times of words.
        num: the first so many conversations.
        skipped: utterances that were left out.
        prefix: of the conversations' keys.
    """
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "utt2spk": {}}
    rooms = []
    turns_part, rooms_part = out / ".turns.jsonl.part", out / ".rooms.jsonl.part"
    with open(turns_part, "w", encoding="utf-8") as turns_file, open(rooms_part, "w", encoding="utf-8") as rooms_file:
        for index in range(num):
            name, entry = prefix + name_of(index), json.loads(record_path(out, index).read_text(encoding="utf-8"))
            tables["wav.scp"][name] = str(audio_path(out, index))
            tables["utt2spk"][name] = name
            for label in labels:
                for file, line in said(entry["turns"], label, files).items():
                    tables.setdefault(f"{file}.{label}", {})[name] = line
            turns_file.write(json_text({"conversation": name, "turns": entry["turns"]}, ensure_ascii=False) + "\n")
            rooms_file.write(json_text({"conversation": name, **entry["room"]}) + "\n")
            rooms.append(entry["room"])
    turns_part.replace(out / "turns.jsonl")
    rooms_part.replace(out / "rooms.jsonl")
    kaldi.write_data_dir(out, tables)
    return _summary(rooms, skipped)


def said(turns: Sequence[dict[str, Any]], label: str, files: Sequence[str]) -> dict[str, str]:
    """What a talker says in all turns, by file: texts one after the other, and times of words.

    "-" stands for nothing, and for times where one of the turns has none: their number must be that of the words.
    """
    own = [turn for turn in turns if turn["speaker"] == label]
    lines = {}
    for file in files:
        part = "times" if file in (TIMES, SPANS) else "texts"
        known = [turn[part].get(file, "") for turn in own]
        lines[file] = " ".join(known) if known and (part == "texts" or all(known)) else NO_VALUE
    return lines


def _summary(rooms: Sequence[dict[str, Any]], skipped: int) -> Summary:
    rt60 = [abs(there / asked - 1) for asked, there in _pairs(rooms, "rt60_s", "measured")]
    snr = [abs(there - asked) for asked, there in _pairs(rooms, "snr_db", "measured")]
    overlap = [abs(there - asked) for asked, there in _pairs(rooms, "overlap", "achieved")]
    return Summary(
        conversations=len(rooms),
        hours=sum(room["duration_s"] for room in rooms) / 3600,
        skipped=skipped,
        rt60_median=statistics.median(rt60) if rt60 else math.nan,
        rt60_worst=max(rt60, default=math.nan),
        snr_worst_db=max(snr, default=0.0),
        overlap_worst=max(overlap, default=0.0),
    )


def _pairs(rooms: Sequence[dict[str, Any]], what: str, found: str) -> list[tuple[float, float]]:
    """What was asked for and what came of it, where both are known."""
    return [(pair["asked"], pair[found]) for pair in (room[what] for room in rooms) if None not in pair.values()]
