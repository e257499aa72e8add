"""Picture of what the taps of models find alike in one utterance: a row a model, a matrix a tap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.evaluation.pictures.figure import INK, new_figure, save
from espnet_jst.evaluation.shown import number

if TYPE_CHECKING:
    import numpy as np

_SHOWN = (1.0, 99.0)  # percentiles between which colours differ: the diagonal stands out of everything else


@dataclass(frozen=True)
class SimilarityRow:
    """A model.

    Attributes:
        matrices: tap -> similarities of its frames, (T, T), each row of norm 1.
        shift_s: seconds from frame to frame.
        cka: of each pair of taps.
    """

    name: str
    matrices: Mapping[str, np.ndarray]
    shift_s: float
    cka: Mapping[tuple[str, str], float]


def plot_similarity(rows: Sequence[SimilarityRow], path: Path | str, *, title: str) -> Path:
    """A model's matrices in the same colours; above each its CKA with those on its left."""
    import numpy as np

    columns = max(len(row.matrices) for row in rows)
    figure = new_figure(3.3 * columns + 0.9, (3.2 + 0.17 * columns) * len(rows) + 0.4, h_pad=0.08)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, panels in zip(rows, axes, strict=True):
        values = np.concatenate([matrix.reshape(-1) for matrix in row.matrices.values()])
        low, high = np.percentile(values, _SHOWN)
        for axis, (tap, matrix) in zip(panels, row.matrices.items(), strict=False):
            end_s = len(matrix) * row.shift_s
            image = axis.imshow(matrix, cmap="viridis", vmin=low, vmax=high, extent=(0.0, end_s, end_s, 0.0))
            left = [f"CKA with {pair[0]}: {number(cka, 3)}" for pair, cka in row.cka.items() if pair[1] == tap]
            axis.set_title("\n".join([f"{row.name}: {tap}", *left]), loc="left", fontsize=10, color=INK)
            axis.tick_params(labelsize=8)
            axis.set_xlabel("audio (s)", color=INK)
        panels[0].set_ylabel("audio (s)", color=INK)
        for axis in panels[len(row.matrices) :]:
            axis.set_visible(False)
        figure.colorbar(image, ax=panels, shrink=0.8, aspect=25).ax.tick_params(labelsize=8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    return save(figure, path)
