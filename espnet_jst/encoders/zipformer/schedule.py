"""Numbers that change while a training goes on (arXiv:2310.11230): dropouts, skips and limits of the Zipformer."""

from __future__ import annotations

from itertools import pairwise


class Ramp:
    """Piecewise linear in adjusted batches (600 s of audio each), constant before the first point and after the last.

    `Ramp((0, 0.3), (20000, 0.1))` falls from 0.3 to 0.1; `ramp * 2` has twice the values.

    Args:
        points: (batches, value), batches rising.

    Raises:
        ValueError: no points, or batches that do not rise.
    """

    def __init__(self, *points: tuple[float, float]) -> None:
        if not points or any(left >= right for (left, _), (right, _) in pairwise(points)):
            raise ValueError(f"Ramp{points}: give (batches, value) points with rising batches")
        self.points = points

    def at(self, batches: float) -> float:
        """The value after so many adjusted batches."""
        if batches <= self.points[0][0]:
            return self.points[0][1]
        for (left, before), (right, after) in pairwise(self.points):
            if batches <= right:
                return before + (after - before) * (batches - left) / (right - left)
        return self.points[-1][1]

    def __mul__(self, factor: float) -> Ramp:
        return Ramp(*((batches, value * factor) for batches, value in self.points))

    def __repr__(self) -> str:
        return f"Ramp({', '.join(map(str, self.points))})"


def value_at(value: Ramp | float, batches: float) -> float:
    """Of what may change and may stay."""
    return value.at(batches) if isinstance(value, Ramp) else value
