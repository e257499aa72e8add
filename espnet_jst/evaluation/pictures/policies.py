"""What the policies of serialization cost before any training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from espnet_jst.evaluation.pictures.figure import INK, colours_of, dress, new_figure, save
from espnet_jst.text.diagnose import SerializationReport


def plot_policies(reports: Mapping[str, SerializationReport], path: Path | str, *, title: str) -> Path:
    """Bars of tags, premature words and waits of each policy, and how wide a band must be."""
    figure = new_figure(9.0, 5.4)
    axes = figure.subplots(2, 2).reshape(-1)
    colours = list(colours_of(reports).values())
    panels = {
        "tags a sentence": [report.tags_per_sentence for report in reports.values()],
        "target words before their source (%)": [100 * report.premature_share for report in reports.values()],
        "source words waited for in vain": [report.extra_wait for report in reports.values()],
    }
    for axis, (name, values) in zip(axes, panels.items(), strict=False):
        bars = axis.bar(range(len(values)), values, color=colours, width=0.7)
        axis.bar_label(bars, fmt="%.2g", fontsize=8, color=INK)
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
    axes[3].set_xlabel("prune_range", color=INK)
    axes[3].xaxis.get_major_locator().set_params(integer=True)
    if reports:
        axes[3].legend(frameon=False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return save(figure, path)
