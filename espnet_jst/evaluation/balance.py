"""Picture of a comparison: quality of each lane over its latency, one point a system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from espnet_jst.evaluation.pictures import COLOURS, dress, new_figure, save
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
    figure = new_figure(5.4 * len(lanes), 3.9)
    for axis, lane in zip(figure.subplots(1, len(lanes), squeeze=False)[0], lanes, strict=True):
        quality, latency = metrics[QUALITY[lane]], metrics[laal_name(lane)]
        for system, score in quality.items():
            x, y = latency[system].mean / 1000, score.mean
            bars = [[max(0.0, y - score.low)], [max(0.0, score.high - y)]]
            axis.errorbar([x], [y], yerr=bars, fmt="o", color=COLOURS[lane], capsize=3, markersize=5)
            axis.annotate(system, (x, y), xytext=(6, 5), textcoords="offset points", fontsize=8)
        axis.set_xlabel("LAAL (s)")
        axis.margins(x=0.2, y=0.12)
        if lane == TRANSCRIPT:
            axis.invert_yaxis()  # better is up in both
        dress(axis, f"{lane}: {QUALITY[lane]}{' %' if lane == TRANSCRIPT else ''}")
    figure.suptitle(title, fontsize=10)
    return save(figure, path)
