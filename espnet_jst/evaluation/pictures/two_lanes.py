"""One utterance over time: the audio, and the words of each lane where they were spoken and where they were shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from espnet_jst.evaluation.pictures.figure import GRID, INK, WAVE, lane_colours, new_figure, save
from espnet_jst.text.lanes import LANES, in_order
from espnet_jst.text.words import Word, join_words

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

_PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
_POINTS_A_CHARACTER = 0.58  # width of a character of DejaVu Sans, in font sizes


def plot_two_lanes(
    waveform: np.ndarray,
    fs: int,
    words: Sequence[Word],
    path: Path | str,
    reference: Mapping[str, str | Mapping[str | None, str]] | None = None,
    *,
    chunk_s: float | None = None,
    title: str | None = None,
) -> Path:
    """One utterance: the audio above, samples (N,) at `fs` Hz, the transcript and the translation below it.

    Each word is a bar over the audio that it stands for (words of one block share a bar) with an arrow to the moment
    when it was shown; what was shown at that moment stands below the arrow's head. Where words have speakers, each
    speaker has a row of the lane: they may speak at once.

    Args:
        reference: lane -> reference text, or speaker -> text; written beside the lane.
        chunk_s: chunk length in s; the grid lines are its multiples, by default the moments when words were shown.
    """
    import numpy as np

    samples = np.asarray(waveform, dtype=np.float32).reshape(-1)
    duration_s = len(samples) / fs
    rows = _rows(words, reference or {})
    end_s = max([0.1, duration_s, *(word.emission_s for word in words), *(word.end_s for word in words)])
    width = min(max(2.3 * end_s + 1.6, 8.0), 30.0)
    figure = new_figure(width, 1.5 + 1.75 * len(rows), hspace=0.0, h_pad=0.02)  # the grid runs through
    axes = figure.subplots(1 + len(rows), 1, sharex=True, squeeze=False, height_ratios=[0.75] + [1.3] * len(rows))
    wave, row_axes = axes[0, 0], axes[1:, 0]
    _draw_wave(wave, samples, fs)
    _draw_grid(list(axes[:, 0]), chunk_ends(end_s, chunk_s, words))
    for axis, row in zip(row_axes, rows, strict=True):
        _draw_lane(axis, row, (width - 1.2) / (1.05 * end_s))
        if row.reference is not None:
            text = f"reference: {row.reference}"
            box = axis.text(0.004 * end_s, 1.12, text, va="center", fontsize=9, color="#777777")
            box.set_bbox(_PLATE)
    axes[-1, 0].set_xlim(0.0, 1.05 * end_s)
    grid = f"ends of the {chunk_s:g} s chunks" if chunk_s else "moments when words were shown"
    axes[-1, 0].set_xlabel(f"audio heard (s); dashed: {grid}", color=INK)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return save(figure, path)


class _Row(NamedTuple):
    """A lane, or one speaker of it."""

    lane: str
    speaker: str | None
    words: Sequence[Word]
    reference: str | None


def _rows(words: Sequence[Word], reference: Mapping[str, str | Mapping[str | None, str]]) -> list[_Row]:
    rows = []
    for lane in in_order([*(word.lane for word in words), *reference]) or list(LANES):
        said, text = [word for word in words if word.lane == lane], reference.get(lane)
        texts: Mapping[str | None, str] = {None: text} if isinstance(text, str) else text or {}
        speakers = {word.speaker for word in said} | set(texts)
        for speaker in sorted(speakers, key=lambda name: name or "") or [None]:
            own = [word for word in said if word.speaker == speaker]
            rows.append(_Row(lane, speaker, own, texts.get(speaker)))
    return rows


def _draw_grid(axes: Sequence[Axes], moments: Sequence[float]) -> None:
    for axis in axes:
        for moment in moments:
            axis.axvline(moment, color=GRID, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        last = axis is axes[-1]
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.spines["bottom"].set_color(INK if last else GRID)
        axis.set_yticks([])
        axis.tick_params(bottom=last)


def envelope(samples: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outline of a waveform: first sample, lowest and highest value of each bin, three arrays (<= bins,)."""
    import numpy as np

    bins = min(len(samples), bins)
    if not bins:
        return np.zeros(0, int), np.zeros(0), np.zeros(0)
    edges = np.linspace(0, len(samples), bins + 1).astype(int)[:-1]
    return edges, np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)


def _draw_wave(axis: Axes, samples: np.ndarray, fs: int) -> None:
    edges, low, high = envelope(samples, 1600)
    if len(edges):
        axis.fill_between(edges / fs, low, high, color=WAVE, linewidth=0.4, edgecolor=WAVE)
        peak = float(max(high.max(), -low.min())) or 1.0
        axis.set_ylim(-1.1 * peak, 1.1 * peak)
    axis.set_ylabel("audio", rotation=0, ha="right", va="center", color=INK)


def _draw_lane(axis: Axes, row: _Row, inches_a_second: float) -> None:
    words = row.words
    colour, tint = lane_colours([row.lane])[row.lane]
    axis.set_ylim(0.0, 1.25)
    name = row.lane if row.speaker is None else f"{row.lane}\n{row.speaker}"
    axis.set_ylabel(name, rotation=0, ha="right", va="center", color=colour, fontweight="bold")
    for start, end, emission, text in word_bars(words):
        width = max(end - start, 0.03)
        axis.barh(0.8, width, left=start, height=0.28, color=tint, edgecolor=colour, linewidth=1.0, zorder=2)
        size = _fitting_size(text, width * inches_a_second, 10.0)
        axis.text(start + width / 2, 0.8, text, ha="center", va="center", fontsize=size, color=INK)
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
