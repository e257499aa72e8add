"""Distribution of a lane's latency over utterances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_jst.evaluation.pictures.figure import INK, dress, lane_colours, new_figure, save


def plot_latency(latency: Mapping[str, Sequence[float]] | Path | str, path: Path | str) -> Path:
    """Distribution of LAAL over utterances, every lane, with medians.

    Args:
        latency: lane -> LAAL of each utterance in ms, or a latency.json (or its directory) to read it from.
    """
    import numpy as np

    if isinstance(latency, Path | str):
        source = Path(latency) / "latency.json" if Path(latency).is_dir() else Path(latency)
        content = json.loads(source.read_text(encoding="utf-8"))
        latency = {lane: list(values.values()) for lane, values in content["laal_by_utterance"].items()}
    lanes = {lane: np.asarray(values, dtype=float) / 1000.0 for lane, values in latency.items() if len(values)}
    figure = new_figure(7.5, 3.2)
    axis = figure.subplots()
    joined = np.concatenate([*lanes.values(), np.empty(0)])
    low, high = (joined.min(), joined.max()) if joined.size else (0.0, 1.0)
    edges = np.linspace(low, max(high, low + 0.1), 41).tolist()
    colours = lane_colours(lanes)
    for lane, values in lanes.items():
        colour = colours[lane][0]
        label = f"{lane}: median {np.median(values):.2f} s, P90 {np.percentile(values, 90):.2f} s"
        weights = np.full(len(values), 100.0 / len(values))
        axis.hist(values, edges, weights=weights, color=colour, alpha=0.35, label=label, edgecolor=colour)
        axis.axvline(float(np.median(values)), color=colour, linewidth=1.6)
    if not lanes:
        axis.text(0.5, 0.5, "nothing was written in any lane", transform=axis.transAxes, ha="center", color=INK)
    dress(axis, "length-adaptive average lagging (LAAL)")
    axis.set_xlabel("seconds", color=INK)
    axis.set_ylabel("utterances (%)", color=INK)
    if lanes:
        axis.legend(frameon=False)
    return save(figure, path)
