"""Picture of fixed beams: from where each of them hears how much, at a few frequencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.evaluation.pictures.figure import COLOURS, GRID, INK, new_figure, save

if TYPE_CHECKING:
    import numpy as np

COLUMNS = 5
LOW_DB, HIGH_DB = -20.0, 5.0  # what is drawn


def plot_beams(
    patterns: Mapping[str, np.ndarray],
    azimuths_deg: np.ndarray,
    hertz: Sequence[float],
    path: Path | str,
    *,
    title: str,
    looks_deg: Mapping[str, float] | None = None,
) -> Path:
    """A panel a beam, a curve a frequency; forward is at the top and left at the left.

    Args:
        patterns: name of a beam -> magnitudes (F, A) of plane waves.
        azimuths_deg: where these come from, (A,), from forward to the left.
        hertz: their frequencies, (F,).
        looks_deg: where a beam looks.
    """
    import numpy as np

    angles = np.deg2rad(np.append(azimuths_deg, azimuths_deg[0]))
    columns = min(COLUMNS, len(patterns))
    rows = -(-len(patterns) // columns)
    figure = new_figure(2.3 * columns, 2.5 * rows + 0.6, h_pad=0.06)
    axes = figure.subplots(rows, columns, squeeze=False, subplot_kw={"projection": "polar"}).reshape(-1)
    for axis, (name, pattern) in zip(axes, patterns.items(), strict=False):
        axis.set_theta_zero_location("N")
        for colour, frequency, magnitudes in zip(COLOURS, hertz, pattern, strict=False):
            closed = np.append(magnitudes, magnitudes[0])
            levels = 20 * np.log10(np.maximum(closed, 1e-6))
            axis.plot(angles, np.clip(levels, LOW_DB, HIGH_DB), color=colour, linewidth=1.1, label=f"{frequency:g} Hz")
        if looks_deg and name in looks_deg:
            axis.axvline(np.deg2rad(looks_deg[name]), color=INK, linewidth=0.8, linestyle=":")
        axis.set_title(name, fontsize=10, color=INK)
        axis.set_ylim(LOW_DB, HIGH_DB)
        axis.set_yticks([-20, -10, 0], ["", "-10", "0 dB"], fontsize=6)
        axis.set_xticks(np.deg2rad([0, 90, 180, 270]), ["front", "left", "", "right"], fontsize=6)
        axis.grid(color=GRID, linewidth=0.5)
    for axis in axes[len(patterns) :]:
        axis.set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return save(figure, path)
