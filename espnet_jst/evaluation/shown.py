"""How figures are shown: digits, intervals, the columns of latency and what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class LatencyColumn(NamedTuple):
    """A column of latency in tables.

    Attributes:
        name: what it is explained by.
        keys: values of `corpus_latency` that share the column.
    """

    name: str
    keys: tuple[str, ...]
    digits: int
    meaning: str
    title: str

    def cell(self, latency: Mapping[str, Any] | None) -> str:
        """The values as text, "-" where there is none."""
        return "/".join(number((latency or {}).get(key), self.digits) for key in self.keys)


def _one(name: str, meaning: str, digits: int = 0) -> LatencyColumn:
    return LatencyColumn(name, (name.replace(" ", "_"),), digits, meaning, name)


def _two(name: str, meaning: str) -> LatencyColumn:
    return LatencyColumn(name, (f"{name}_P50", f"{name}_P90"), 0, meaning, f"{name} P50/P90")


LATENCY = (
    _one(
        "LAAL",
        "how far words lag behind a writer who spreads them evenly over the audio, as many as were written or as the "
        "reference has, whichever is more",
    ),
    _one("LAAL_CA", "LAAL with the time of computation"),
    _one("AL", "LAAL with the reference's number of words"),
    _one("YAAL", "LAAL of the words that were shown before the audio ended"),
    _one("DAL", "the lag when no word may follow the one before it faster than at an even pace"),
    _one("AP", "mean share of the audio that was heard when a word was shown", 3),
    _two("FTL", "when the first word was shown, after the start of the audio (median, 90 % of utterances)"),
    _two("LTL", "when the last word was shown, after the end of the audio (median, 90 % of utterances)"),
    _one("length ratio", "words written for each word of the reference", 3),
    _one("RTF", "seconds of computation for a second of audio", 3),
)


def number(value: float | None, digits: int, sign: str = "") -> str:
    """A figure as text; "-" where it is not defined."""
    return "-" if value is None or math.isnan(value) else f"{value:{sign}.{digits}f}"


def with_interval(entry: Mapping[str, Any], digits: int = 2) -> str:
    """A score of scores.json, with its 95 % interval where there is one."""
    score = number(entry["score"], digits)
    if entry.get("low") is None or entry.get("high") is None:
        return score
    return f"{score} ({number(entry['low'], digits)} to {number(entry['high'], digits)})"
