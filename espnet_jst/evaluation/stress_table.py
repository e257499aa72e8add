"""The table of one model on a set that is disturbed in several ways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_jst.evaluation.comparison_table import table_head, table_row
from espnet_jst.evaluation.files import write_json, write_text
from espnet_jst.evaluation.lanes import scored_lane
from espnet_jst.evaluation.metrics import headline
from espnet_jst.evaluation.shown import number, with_interval
from espnet_jst.text.lanes import in_order


def as_markdown(title: str, scores: Mapping[str, Mapping[str, Any]]) -> str:
    """The table as a page; the first row is what the others are compared with.

    Args:
        scores: disturbance -> what `score_directory` returns.
    """
    first = next(iter(scores.values()))
    lanes = [scored_lane(name, first["lanes"][name]) for name in in_order(first["lanes"])]
    metrics = [headline(lane) for lane in lanes]
    columns = ["recordings"]
    for lane, metric in zip(lanes, metrics, strict=True):
        columns += [f"{lane.name}, {metric.name} {metric.unit}".rstrip(), "change", "length ratio"]
    lines = [
        f"# {title}",
        "",
        "95 % intervals over utterances. Length ratio: words written by words of the reference.",
        "",
    ]
    lines += table_head(*columns)
    for name, found in scores.items():
        cells = [name]
        for lane, metric in zip(lanes, metrics, strict=True):
            quality, before = (each["lanes"][lane.name]["quality"] for each in (found, first))
            value, was = quality[metric.name]["score"], before[metric.name]["score"]
            change = None if value is None or was is None or found is first else value - was
            ratio = quality.get("length ratio", {}).get("score")
            cells += [
                with_interval(quality[metric.name], metric.digits),
                "" if found is first else "-" if change is None else f"{change:+.{metric.digits}f}",
                number(ratio, 2),
            ]
        lines.append(table_row(*cells))
    return "\n".join(lines) + "\n"


def write_stress(title: str, scores: Mapping[str, Mapping[str, Any]], page: Path) -> Path:
    """Write the page and, beside it, all scores as JSON; returns the page."""
    write_text(as_markdown(title, scores), page)
    write_json(dict(scores), page.with_suffix(".json"))
    return page
