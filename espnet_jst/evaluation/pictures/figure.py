"""What all pictures share: Matplotlib without a display, colours, and how a figure is dressed and written.

The figures are built on `Figure` directly: no pyplot, hence no backend to choose and no global state to leak.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_jst.text.lanes import LANES, in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2f6db3", "#c9661a", "#4f9d5d", "#8a5fb0", "#b0413e", "#8a8f98")
TINTS = ("#d3e0f0", "#f6e0cf", "#d6ead9", "#e4d9ee", "#f0d8d7", "#e4e5e8")
INK, GRID, WAVE = "#333333", "#c8c8c8", "#8a8f98"


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name, in their order."""
    return dict(zip(names, cycle(COLOURS)))


def lane_colours(lanes: Iterable[str] = ()) -> dict[str, tuple[str, str]]:
    """Lane -> its colour and its tint, which are the same in every picture."""
    return dict(zip(in_order([*LANES, *lanes]), cycle(zip(COLOURS, TINTS, strict=True))))


def new_figure(width: float, height: float, **layout: Any) -> Figure:
    """An empty figure of a size in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(**layout))


def dress(axis: Axes, title: str) -> None:
    """Title, grid and spines as all pictures have them."""
    axis.set_title(title, loc="left", fontsize=10, color=INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color=GRID, linewidth=0.6, alpha=0.7)


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure; the folder is made. Characters that the font lacks are boxes, which is no warning each."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(path, dpi=130, facecolor="white")
    return path
