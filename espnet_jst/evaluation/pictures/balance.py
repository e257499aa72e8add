"""Picture of a comparison: quality of each lane over its latency, one point a system."""

from __future__ import annotations

from pathlib import Path

from espnet_jst.evaluation.compare import Column, Scores
from espnet_jst.evaluation.metrics import METRICS, headline
from espnet_jst.evaluation.pictures.figure import colours_of, dress, new_figure, save


def plot_balance(scores: Scores, path: Path | str, *, title: str) -> Path | None:
    """The headline of each lane over its LAAL; bars are 95 % intervals.

    Returns:
        The picture, or None where no lane has both metrics.
    """
    lanes = dict.fromkeys(column.lane for column in scores)
    drawn = [(Column(headline(lane), lane), Column(METRICS["LAAL"], lane)) for lane in lanes]
    drawn = [pair for pair in drawn if all(column in scores for column in pair)]
    if not drawn:
        return None
    colours = colours_of(dict.fromkeys(system for row in scores.values() for system in row))
    figure = new_figure(5.0 * len(drawn) + 1.2, 3.9)
    axes = figure.subplots(1, len(drawn), squeeze=False, sharex=True)[0]
    for axis, (quality, latency) in zip(axes, drawn, strict=True):
        for system, score in scores[quality].items():
            x, y = scores[latency][system].mean / 1000, score.mean
            bars = [[max(0.0, y - score.low)], [max(0.0, score.high - y)]]
            axis.errorbar([x], [y], yerr=bars, fmt="o", color=colours[system], capsize=3, markersize=6)
        axis.set_xlabel("LAAL (s)")
        axis.margins(x=0.15, y=0.12)
        if not quality.metric.up:
            axis.invert_yaxis()  # better is up in all
        dress(axis, f"{quality.lane.name}: {quality.metric.name} {quality.metric.unit}".rstrip())
    marks = [axes[0].plot([], [], "o", color=colour, label=system)[0] for system, colour in colours.items()]
    figure.legend(handles=marks, loc="outside right center", frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)
