"""Picture of several ways of decoding: how right the words are, over how late they come."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from espnet_jst.evaluation.metrics import headline
from espnet_jst.evaluation.pictures.figure import INK, colours_of, dress, new_figure, save
from espnet_jst.text.lanes import Lane


class Point(NamedTuple):
    """A way: median and 90 % of its delays in ms, its score and the interval of that; None where not defined."""

    median_ms: float | None
    most_ms: float | None
    score: float
    low: float | None
    high: float | None


def plot_modes(lanes: Mapping[Lane, Mapping[str, Point]], path: Path | str, *, title: str) -> Path:
    """A panel a lane: a point a way at the median delay, a line to the delay of 90 % of the words, better is up."""
    figure = new_figure(5.2 * max(1, len(lanes)) + 1.2, 4.0)
    axes = figure.subplots(1, max(1, len(lanes)), squeeze=False)[0]
    for axis, (lane, points) in zip(axes, lanes.items(), strict=False):
        metric = headline(lane)
        for (name, point), colour in zip(points.items(), colours_of(points).values(), strict=True):
            if point.median_ms is None or point.most_ms is None:
                continue
            x, most = point.median_ms / 1000.0, point.most_ms / 1000.0
            axis.plot([x, most], [point.score] * 2, color=colour, linewidth=1.2, alpha=0.6)
            axis.plot([x], [point.score], "o", color=colour, markersize=5, label=name)
            if point.low is not None and point.high is not None:
                axis.plot([x, x], [point.low, point.high], color=colour, linewidth=1.2)
        dress(axis, f"{lane.name}: {metric.name} {metric.unit}".rstrip())
        axis.set_xlabel("delay after the word, median to 90 % (s)", color=INK)
        if not metric.up:
            axis.invert_yaxis()
        if axis.get_lines():
            axis.legend(frameon=False, fontsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return save(figure, path)
