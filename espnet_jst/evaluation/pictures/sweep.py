"""Picture of a sweep: how much is written, and how well, over the penalty."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from espnet_jst.evaluation.compare import Column, Scores
from espnet_jst.evaluation.metrics import METRICS, headline
from espnet_jst.evaluation.pictures.figure import COLOURS, GRID, INK, dress, lane_colours, new_figure, save


def plot_sweep(scores: Scores, fixed: Mapping[str, float], path: Path | str, *, title: str) -> Path:
    """The length ratio of all lanes, then the headline of each, with 95 % intervals; penalties that adapt are lines.

    Args:
        fixed: name of each fixed penalty -> its value; the other systems adapt.
    """
    lanes = list(dict.fromkeys(column.lane for column in scores))
    colours = lane_colours([lane.name for lane in lanes])
    panels = [
        [Column(METRICS["length ratio"], lane) for lane in lanes],
        *([Column(headline(lane), lane)] for lane in lanes),
    ]
    figure = new_figure(4.3 * len(panels) + 1.4, 3.9)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    steered = [name for name in next(iter(scores.values())) if name not in fixed]
    styles = dict(zip(steered, ("--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3))) * len(steered)))
    for axis, columns in zip(axes, panels, strict=True):
        for column in columns:
            colour, tint = colours[column.lane.name]
            points = sorted((value, scores[column][name]) for name, value in fixed.items())
            values = [value for value, _ in points]
            axis.plot(values, [s.mean for _, s in points], "o-", color=colour, markersize=4, label=column.lane.name)
            axis.fill_between(values, [s.low for _, s in points], [s.high for _, s in points], color=tint, alpha=0.6)
            for name, style in styles.items():
                axis.axhline(scores[column][name].mean, color=colour, linestyle=style, linewidth=1.2)
        metric = columns[0].metric
        dress(axis, f"{metric.name} {metric.unit}".rstrip() if len(columns) > 1 else columns[0].title)
        axis.set_xlabel("fixed blank penalty (nats)", color=INK)
        if metric.name == "length ratio":
            axis.axhline(1.0, color=GRID, linewidth=2.0, zorder=0)
            axis.legend(frameon=False)
        elif not metric.up:
            axis.invert_yaxis()  # better is up in all
    marks = [axes[0].plot([], [], linestyle=style, color=COLOURS[-1], label=name)[0] for name, style in styles.items()]
    if marks:
        figure.legend(handles=marks, loc="outside right center", frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return save(figure, path)
