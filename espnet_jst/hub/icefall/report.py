"""What became of the weights of a released checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A weight that was taken over: its released name, its name here, its released shape."""

    released: str
    ours: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """All weights of a checkpoint: those that were taken over, and the others with the reason."""

    rows: tuple[Row, ...]
    skipped: Mapping[str, str]

    def text(self) -> str:
        """A table, then what was left out, then the counts."""
        wide = max(len(row.released) for row in self.rows)
        ours = max(len(row.ours) for row in self.rows)
        lines = [f"{row.released:<{wide}}  {row.ours:<{ours}}  {_shape(row.shape)}" for row in self.rows]
        lines += [f"{name:<{wide}}  skipped: {reason}" for name, reason in self.skipped.items()]
        return "\n".join([f"{'released':<{wide}}  {'here':<{ours}}  shape", *lines, self.summary()])

    def summary(self) -> str:
        """The counts in a line."""
        return f"{len(self.rows)} weights taken over, {len(self.skipped)} skipped"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "number"
