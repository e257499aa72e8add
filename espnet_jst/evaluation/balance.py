"""Picture of a comparison: quality of each lane over its latency, one point a system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from espnet_jst.evaluation.pictures import SYSTEM_COLOURS, dress, new_figure, save
from espnet_jst.evaluation.significance import SystemScore
from espnet_jst.text.words import TRANSCRIPT, TRANSLATION

QUALITY = {TRANSCRIPT: "WER", TRANSLATION: "BLEU"}


def laal_name(lane: str) -> str:
    """The metric of a lane's latency in a comparison."""
    return f"LAAL {lane}, ms"


def plot_balance(metrics: Mapping[str, Mapping[str, SystemScore]], path: Path | str, *, title: str) -> Path | None:
    """WER over the latency of the transcript, BLEU over that of the translation; bars are 95 % intervals.

    Args:
        metrics: metric -> system -> score, of one test set.

    Returns:
        The picture, or None where no lane has both metrics.
    """
    lanes = [lane for lane, quality in QUALITY.items() if quality in metrics and laal_name(lane) in metrics]
    if not lanes:
        return None
    colours = {system: SYSTEM_COLOURS[n % len(SYSTEM_COLOURS)] for n, system in enumerate(_systems(metrics))}
    figure = new_figure(5.0 * len(lanes) + 1.2, 3.9)
    axes = figure.subplots(1, len(lanes), squeeze=False, sharex=True)[0]
    for axis, lane in zip(axes, lanes, strict=True):
        quality, latency = metrics[QUALITY[lane]], metrics[laal_name(lane)]
        for system, score in quality.items():
            x, y = latency[system].mean / 1000, score.mean
            bars = [[max(0.0, y - score.low)], [max(0.0, score.high - y)]]
            axis.errorbar([x], [y], yerr=bars, fmt="o", color=colours[system], capsize=3, markersize=6)
        axis.set_xlabel("LAAL (s)")
        axis.margins(x=0.15, y=0.12)
        if lane == TRANSCRIPT:
            axis.invert_yaxis()  # better is up in both
        dress(axis, f"{lane}: {QUALITY[lane]}{' %' if lane == TRANSCRIPT else ''}")
    marks = [axes[0].plot([], [], "o", color=colour, label=system)[0] for system, colour in colours.items()]
    figure.legend(handles=marks, loc="outside right center", frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return save(figure, path)


def _systems(metrics: Mapping[str, Mapping[str, SystemScore]]) -> list[str]:
    return list(dict.fromkeys(system for scores in metrics.values() for system in scores))
