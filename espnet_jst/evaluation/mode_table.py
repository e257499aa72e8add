"""The table of one model in several ways of decoding: how late its words are, what they cost, how right they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from espnet_jst.evaluation.comparison_table import table_head, table_row
from espnet_jst.evaluation.files import write_json, write_text
from espnet_jst.evaluation.lanes import scored_lane
from espnet_jst.evaluation.metrics import headline
from espnet_jst.evaluation.pictures.modes import Point, plot_modes
from espnet_jst.evaluation.shown import number, with_interval
from espnet_jst.text.lanes import Lane, in_order

WHOLE = "whole"  # the chunk of a signature that is none


class Mode(NamedTuple):
    """One way: what `score_directory` returns, and what decoding cost (`cost.json`)."""

    scores: Mapping[str, Any]
    cost: Mapping[str, Any]

    @property
    def algorithmic_s(self) -> float | None:
        """How long a frame waits at most: for the end of its chunk, and the look-ahead behind it; None: for the end."""
        made = self.scores["signature"]
        return None if made["chunk_s"] == WHOLE else made["chunk_s"] + made.get("look_ahead_s", 0.0)

    def latency(self, lane: str) -> Mapping[str, Any]:
        """What latency.json has of a lane."""
        return self.scores["lanes"][lane]["latency"] or {}


def as_markdown(title: str, modes: Mapping[str, Mode]) -> str:
    """The table as a page, a part a lane."""
    lines = [
        f"# {title}",
        "",
        "Waits: how long a frame waits at most for the end of its chunk and the look-ahead behind it. First word:",
        "after the start of the audio. Delay: of the words that are right, after the end of the word in word_times.ref",
        "or word_times (a forced alignment); both median and 90 %. RTF: computation for a second of audio, one",
        "process. Memory: the most of that process. 95 % intervals over utterances; - is not known.",
    ]
    for lane in _lanes(modes):
        metric = headline(lane)
        columns = ["setting", "waits s", "first word s", "delay s", "LAAL s", "RTF", "memory MB"]
        lines += ["", f"## {lane.name}", "", *table_head(*columns, f"{metric.name} {metric.unit}".rstrip())]
        for name, mode in modes.items():
            latency, wait = mode.latency(lane.name), mode.algorithmic_s
            lines.append(
                table_row(
                    name,
                    "the end" if wait is None else number(wait, 2),
                    _pair(latency.get("FTL_P50"), latency.get("FTL_P90")),
                    _pair(*(latency.get("word_lag", {}).get(key) for key in ("P50", "P90"))),
                    _seconds(latency.get("LAAL")),
                    number(latency.get("RTF"), 3),
                    number(mode.cost.get("peak_memory_mb"), 0),
                    with_interval(mode.scores["lanes"][lane.name]["quality"][metric.name], metric.digits),
                )
            )
    threads = {mode.cost.get("threads") for mode in modes.values()}
    return "\n".join([*lines, "", f"Threads: {', '.join(map(str, threads))}."]) + "\n"


def write_modes(title: str, modes: Mapping[str, Mode], folder: Path, name: str) -> Path:
    """Write `<name>.md`, `<name>.json` and `<name>.png` into a folder; returns the page."""
    page = folder / f"{name}.md"
    write_text(as_markdown(title, modes), page)
    write_json(
        {key: {"scores": mode.scores, "cost": mode.cost} for key, mode in modes.items()}, folder / f"{name}.json"
    )
    plot_modes(
        {lane: {key: _point(mode, lane) for key, mode in modes.items()} for lane in _lanes(modes)},
        folder / f"{name}.png",
        title=title,
    )
    return page


def _lanes(modes: Mapping[str, Mode]) -> list[Lane]:
    entries = {name: entry for mode in modes.values() for name, entry in mode.scores["lanes"].items()}
    return [scored_lane(name, entries[name]) for name in in_order(entries)]


def _point(mode: Mode, lane: Lane) -> Point:
    """Delays of a lane's words where they are known, else its LAAL."""
    latency = mode.latency(lane.name)
    lag = latency.get("word_lag") or {"P50": latency.get("LAAL"), "P90": latency.get("LAAL")}
    entry = mode.scores["lanes"][lane.name]["quality"][headline(lane).name]
    return Point(lag["P50"], lag["P90"], entry["score"], entry.get("low"), entry.get("high"))


def _seconds(value_ms: float | None) -> str:
    return number(None if value_ms is None else value_ms / 1000.0, 2)


def _pair(first_ms: float | None, last_ms: float | None) -> str:
    return f"{_seconds(first_ms)} / {_seconds(last_ms)}"
