"""Pictures: two lanes over time, loss curves, latencies, policies. Matplotlib without a display, as PNG or SVG.

The figures are built on `Figure` directly: no pyplot, hence no backend to choose and no global state to leak.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_jst.errors import DataError
from espnet_jst.evaluation.history import read_history
from espnet_jst.text.diagnose import SerializationReport
from espnet_jst.text.words import TRANSCRIPT, TRANSLATION, Word, join_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {TRANSCRIPT: "#2f6db3", TRANSLATION: "#c9661a"}
SYSTEM_COLOURS = ("#2f6db3", "#c9661a", "#4f9d5d", "#8a5fb0", "#b0413e", "#8a8f98")
_INK, _GRID, _WAVE = "#333333", "#c8c8c8", "#8a8f98"
_TINTS = {TRANSCRIPT: "#d3e0f0", TRANSLATION: "#f6e0cf"}
_PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
_POINTS_A_CHARACTER = 0.58  # width of a character of DejaVu Sans, in font sizes


def plot_two_lanes(
    waveform: Sequence[float] | Any,
    fs: int,
    words: Sequence[Word],
    path: Path | str,
    reference: Mapping[str, str] | None = None,
    *,
    chunk_s: float | None = None,
    title: str | None = None,
) -> Path:
    """One utterance: the audio above, the transcript and the translation below it.

    Each word is a bar over the audio that it stands for (words of one block share a bar) with an arrow to the moment
    when it was shown; what was shown at that moment stands below the arrow's head.

    Args:
        waveform: samples, (N,).
        fs: sampling rate in Hz.
        words: the words of both lanes.
        reference: lane -> reference text, written beside the lane.
        chunk_s: chunk length in s; the grid lines are its multiples, by default the moments when words were shown.
    """
    import numpy as np

    samples = np.asarray(waveform, dtype=np.float32).reshape(-1)
    duration_s = len(samples) / fs
    drawn = {word.lane for word in words} | set(reference or ()) or {TRANSCRIPT, TRANSLATION}
    lanes = [lane for lane in (TRANSCRIPT, TRANSLATION) if lane in drawn]
    end_s = max([0.1, duration_s, *(word.emission_s for word in words), *(word.end_s for word in words)])
    width = min(max(2.3 * end_s + 1.6, 8.0), 30.0)
    figure = new_figure(width, 1.5 + 1.75 * len(lanes), hspace=0.0, h_pad=0.02)  # the grid runs through
    axes = figure.subplots(1 + len(lanes), 1, sharex=True, squeeze=False, height_ratios=[0.75] + [1.3] * len(lanes))
    wave, lane_axes = axes[0, 0], axes[1:, 0]
    _draw_wave(wave, samples, fs)
    _draw_grid(list(axes[:, 0]), chunk_ends(end_s, chunk_s, words))
    for axis, lane in zip(lane_axes, lanes, strict=True):
        _draw_lane(axis, [word for word in words if word.lane == lane], lane, (width - 1.2) / (1.05 * end_s))
        if reference and lane in reference:
            text = f"reference: {reference[lane]}"
            box = axis.text(0.004 * end_s, 1.12, text, va="center", fontsize=9, color="#777777")
            box.set_bbox(_PLATE)
    axes[-1, 0].set_xlim(0.0, 1.05 * end_s)
    grid = f"ends of the {chunk_s:g} s chunks" if chunk_s else "moments when words were shown"
    axes[-1, 0].set_xlabel(f"audio heard (s); dashed: {grid}", color=_INK)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=_INK)
    return save(figure, path)


def _draw_grid(axes: Sequence[Axes], moments: Sequence[float]) -> None:
    for axis in axes:
        for moment in moments:
            axis.axvline(moment, color=_GRID, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        last = axis is axes[-1]
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.spines["bottom"].set_color(_INK if last else _GRID)
        axis.set_yticks([])
        axis.tick_params(bottom=last)


def envelope(samples: Any, bins: int) -> tuple[Any, Any, Any]:
    """Outline of a waveform: first sample, lowest and highest value of each bin, three arrays (<= bins,).

    Args:
        samples: NumPy array, (N,).
    """
    import numpy as np

    bins = min(len(samples), bins)
    if not bins:
        return np.zeros(0, int), np.zeros(0), np.zeros(0)
    edges = np.linspace(0, len(samples), bins + 1).astype(int)[:-1]
    return edges, np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)


def _draw_wave(axis: Axes, samples: Any, fs: int) -> None:
    edges, low, high = envelope(samples, 1600)
    if len(edges):
        axis.fill_between(edges / fs, low, high, color=_WAVE, linewidth=0.4, edgecolor=_WAVE)
        peak = float(max(high.max(), -low.min())) or 1.0
        axis.set_ylim(-1.1 * peak, 1.1 * peak)
    axis.set_ylabel("audio", rotation=0, ha="right", va="center", color=_INK)


def _draw_lane(axis: Axes, words: Sequence[Word], lane: str, inches_a_second: float) -> None:
    colour = COLOURS[lane]
    axis.set_ylim(0.0, 1.25)
    axis.set_ylabel(lane, rotation=0, ha="right", va="center", color=colour, fontweight="bold")
    for start, end, emission, text in word_bars(words):
        width = max(end - start, 0.03)
        axis.barh(0.8, width, left=start, height=0.28, color=_TINTS[lane], edgecolor=colour, linewidth=1.0, zorder=2)
        size = _fitting_size(text, width * inches_a_second, 10.0)
        axis.text(start + width / 2, 0.8, text, ha="center", va="center", fontsize=size, color=_INK)
        arrow = {"arrowstyle": "-|>", "color": colour, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
        # Leaves the bar at its end and falls onto the moment of showing from above.
        curve = "arc3,rad=0" if abs(emission - end) < 0.02 else "angle3,angleA=-15,angleB=90"
        axis.annotate(
            "", xy=(emission, 0.33), xytext=(start + width, 0.66), arrowprops=arrow | {"connectionstyle": curve}
        )
    shown: dict[float, list[Word]] = {}
    for word in words:
        shown.setdefault(round(word.emission_s, 3), []).append(word)
    moments = sorted(shown)
    for moment, following in zip(moments, [*moments[1:], math.inf]):
        text = join_words(shown[moment])
        room = min(following - moment, moment - max([0.0, *(m for m in moments if m < moment)]), 1e3)
        size = _fitting_size(text, max(room, 0.3) * inches_a_second, 10.0)
        label = axis.text(moment, 0.18, text, ha="center", va="center", fontsize=size, color=colour)
        label.set(fontweight="bold", bbox=_PLATE)


def word_bars(words: Sequence[Word]) -> list[tuple[float, float, float, str]]:
    """(start, end, emission, text) with neighbours of one span and one moment joined: a block's translation."""
    groups = groupby(words, key=lambda word: (word.start_s, word.end_s, word.emission_s))
    return [(*span, join_words(group)) for span, group in groups]


def _fitting_size(text: str, width_inches: float, largest: float) -> float:
    return min(largest, max(5.0, 0.94 * 72.0 * width_inches / (_POINTS_A_CHARACTER * max(len(text), 1))))


def chunk_ends(end_s: float, chunk_s: float | None, words: Sequence[Word]) -> list[float]:
    """Multiples of the chunk up to `end_s`; where there is no chunk, the moments when words were shown."""
    if chunk_s:
        return [chunk_s * k for k in range(1, int(end_s / chunk_s + 1e-6) + 1)]
    return sorted({word.emission_s for word in words})


def plot_curves(history: Sequence[Mapping] | Path | str, path: Path | str, keys: Sequence[str] | None = None) -> Path:
    """Training curves, one panel a value, training and validation in each.

    Args:
        history: one mapping an epoch (`read_history`), or an experiment directory or train.log to read it from.
        keys: values to show; by default up to six that validation has as well, the loss first.

    Raises:
        DataError: the history is empty or has none of the keys.
    """
    if isinstance(history, Path | str):
        history = read_history(history)
    present = dict.fromkeys(key for epoch in history for part in ("train", "valid") for key in epoch.get(part, ()))
    if keys is None:
        # What only training has is times and rates; what is always zero are counts of trouble that did not come.
        told = {key for epoch in history for key, value in epoch.get("valid", {}).items() if value} or {"loss"}
        shown = sorted((key for key in present if key in told), key=lambda key: key != "loss")[:6]
    else:
        shown = [key for key in keys if key in present]
    if not shown:
        raise DataError(f"no curve to draw: wanted {list(keys or ['loss'])}, the history has {sorted(present)}")
    columns = min(len(shown), 3)
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(1.2 + 4.0 * columns, 0.5 + 2.7 * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).reshape(-1)
    for axis, key in zip(axes, shown, strict=False):
        for part, colour, style in (("train", _WAVE, "-"), ("valid", COLOURS[TRANSCRIPT], "-")):
            points = [(epoch["epoch"], epoch[part][key]) for epoch in history if key in epoch.get(part, ())]
            if points:
                marker = "o" if len(points) < 40 else None
                axis.plot(*zip(*points, strict=True), style, color=colour, label=part, marker=marker, markersize=3)
        dress(axis, key)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel("epoch", color=_INK)
        axis.legend(frameon=False)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    return save(figure, path)


def plot_latency(latency: Mapping[str, Sequence[float]] | Path | str, path: Path | str) -> Path:
    """Distribution of LAAL over utterances, both lanes, with medians.

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
    for lane, values in lanes.items():
        colour = COLOURS.get(lane, _INK)
        label = f"{lane}: median {np.median(values):.2f} s, P90 {np.percentile(values, 90):.2f} s"
        weights = np.full(len(values), 100.0 / len(values))
        axis.hist(values, edges, weights=weights, color=colour, alpha=0.35, label=label, edgecolor=colour)
        axis.axvline(float(np.median(values)), color=colour, linewidth=1.6)
    if not lanes:
        axis.text(0.5, 0.5, "nothing was written in any lane", transform=axis.transAxes, ha="center", color=_INK)
    dress(axis, "length-adaptive average lagging (LAAL)")
    axis.set_xlabel("seconds", color=_INK)
    axis.set_ylabel("utterances (%)", color=_INK)
    if lanes:
        axis.legend(frameon=False)
    return save(figure, path)


def plot_policies(reports: Mapping[str, SerializationReport], path: Path | str, *, title: str) -> Path:
    """What the policies cost before any training: bars of tags, premature words and waits, and how wide a band must be.

    Args:
        reports: policy -> its report (`compare_policies`).
    """
    figure = new_figure(9.0, 5.4)
    axes = figure.subplots(2, 2).reshape(-1)
    colours = [SYSTEM_COLOURS[index % len(SYSTEM_COLOURS)] for index in range(len(reports))]
    panels = {
        "tags a sentence": [report.tags_per_sentence for report in reports.values()],
        "target words before their source (%)": [100 * report.premature_share for report in reports.values()],
        "source words waited for in vain": [report.extra_wait for report in reports.values()],
    }
    for axis, (name, values) in zip(axes, panels.items(), strict=False):
        bars = axis.bar(range(len(values)), values, color=colours, width=0.7)
        axis.bar_label(bars, fmt="%.2g", fontsize=8, color=_INK)
        axis.set_xticks(range(len(values)), reports)
        axis.margins(y=0.15)
        dress(axis, name)
    for index, (colour, (policy, report)) in enumerate(zip(colours, reports.items(), strict=True)):
        bursts = report.longest_bursts()
        widths = range(2, report.longest_burst + 3)
        # A band of R rows lets R - 1 labels out in one frame.
        left_out = [100 * bursts.share_over(width - 1) for width in widths]
        thickness = max(1.2, 3.6 - 0.6 * index)  # lines that coincide stay visible
        axes[3].step(widths, left_out, where="post", color=colour, label=policy, linewidth=thickness)
    dress(axes[3], "sentences whose longest burst does not fit (%)")
    axes[3].set_xlabel("prune_range", color=_INK)
    axes[3].xaxis.get_major_locator().set_params(integer=True)
    if reports:
        axes[3].legend(frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=_INK)
    return save(figure, path)


def new_figure(width: float, height: float, **layout: Any) -> Figure:
    """An empty figure of a size in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(**layout))


def dress(axis: Axes, title: str) -> None:
    """Title, grid and spines as all pictures have them."""
    axis.set_title(title, loc="left", fontsize=10, color=_INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color=_GRID, linewidth=0.6, alpha=0.7)


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure; the folder is made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, facecolor="white")
    return path
