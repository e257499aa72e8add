"""Training curves, one panel a value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.evaluation.pictures.figure import COLOURS, INK, WAVE, dress, new_figure, save


def plot_curves(history: Sequence[Mapping], path: Path | str) -> Path:
    """Up to six values that validation has as well, the loss first: training and validation in each panel.

    Args:
        history: one mapping an epoch (`read_history`).

    Raises:
        DataError: no epoch has such a value.
    """
    present = dict.fromkeys(key for epoch in history for part in ("train", "valid") for key in epoch.get(part, ()))
    # What only training has is times and rates; what is always zero are counts of trouble that did not come.
    told = {key for epoch in history for key, value in epoch.get("valid", {}).items() if value} or {"loss"}
    shown = sorted((key for key in present if key in told), key=lambda key: key != "loss")[:6]
    if not shown:
        raise DataError(f"no curve to draw: the history has {sorted(present)}")
    columns = min(len(shown), 3)
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(1.2 + 4.0 * columns, 0.5 + 2.7 * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).reshape(-1)
    for axis, key in zip(axes, shown, strict=False):
        for part, colour, style in (("train", WAVE, "-"), ("valid", COLOURS[0], "-")):
            points = [(epoch["epoch"], epoch[part][key]) for epoch in history if key in epoch.get(part, ())]
            if points:
                marker = "o" if len(points) < 40 else None
                axis.plot(*zip(*points, strict=True), style, color=colour, label=part, marker=marker, markersize=3)
        dress(axis, key)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("epoch", color=INK)
        axis.legend(frameon=False)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    return save(figure, path)
