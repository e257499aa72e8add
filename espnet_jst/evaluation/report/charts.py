"""Charts of the report as SVG: a value over epochs, distributions of both lanes. Colours come from the style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from espnet_jst.evaluation.latency import percentile
from espnet_jst.evaluation.report.markup import Html, tag

_WIDTH, _HEIGHT = 320.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 10.0, 12.0, 34.0
_BINS = 30

Points = Sequence[tuple[float, float]]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers between two values (1, 2 or 5 times a power of ten apart), about `count` of them."""
    step = 10.0 ** math.floor(math.log10((high - low) / count))
    step *= next((k for k in (1, 2, 5) if (high - low) / (k * step) <= count), 10)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def line_chart(name: str, curves: Mapping[str, Points]) -> Html:
    """One value over epochs.

    Args:
        curves: "train", "valid" -> (epoch, value); values that are not finite are left out.
    """
    curves = {part: [(x, y) for x, y in points if math.isfinite(y)] for part, points in curves.items()}
    xs = [x for points in curves.values() for x, _ in points] or [0.0]
    ys = [y for points in curves.values() for _, y in points] or [0.0]
    plot = _Plot((min(xs), max(xs)), (min([0.0, *ys]), max(ys)), "epoch")
    for part, points in curves.items():
        path = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in points)
        plot.add(tag("polyline", points=path, class_=f"curve {part}"))
        if len(points) <= 40:
            plot.add(*(tag("circle", cx=plot.x(x), cy=plot.y(y), r=2.5, class_=part) for x, y in points))
    said = [f"{part} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for part, points in curves.items() if points]
    return plot.svg(f"{name}, epochs {min(xs):g} to {max(xs):g}: {', '.join(said)}" if said else f"{name}: no values")


def histogram(name: str, values: Mapping[str, Sequence[float]]) -> Html:
    """Distributions of the lanes' seconds, in percent of each, with a line at each median.

    Args:
        name: of the values, for those who cannot see the picture.
    """
    every = [value for lane in values.values() for value in lane] or [0.0]
    low, high = min([0.0, *every]), max([0.1, *every])
    width = (high - low) / _BINS
    heights = {lane: _shares(found, low, width) for lane, found in values.items() if found}
    plot = _Plot((low, high), (0.0, max((max(shares) for shares in heights.values()), default=1.0)), "s", "%")
    said = []
    for lane, shares in heights.items():
        outline = [(low, 0.0)]
        for k, share in enumerate(shares):
            outline += [(low + k * width, share), (low + (k + 1) * width, share)]
        path = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in [*outline, (high, 0.0)])
        middle = percentile(values[lane], 50)
        x = plot.x(middle)
        plot.add(tag("polygon", points=path, class_=f"area {lane}"))
        plot.add(tag("line", x1=x, x2=x, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_=f"median {lane}"))
        said.append(f"{lane} median {middle:.2f} s, 90 % below {percentile(values[lane], 90):.2f} s")
    return plot.svg(f"{name}: {'; '.join(said) or 'no values'}")


def _shares(values: Sequence[float], low: float, width: float) -> list[float]:
    counts = [0] * _BINS
    for value in values:
        counts[min(_BINS - 1, int((value - low) / width))] += 1
    return [100.0 * count / len(values) for count in counts]


class _Plot:
    """Axes with a grid; elements are added in data coordinates through `x` and `y`."""

    def __init__(self, xs: tuple[float, float], ys: tuple[float, float], x_name: str, y_unit: str = "") -> None:
        self._xs = xs if xs[1] > xs[0] else (xs[0] - 0.5, xs[0] + 0.5)
        self._ys = ys if ys[1] > ys[0] else (ys[0], ys[0] + 1.0)
        self._parts: list[Html] = []
        base, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
        for value in ticks(*self._ys):
            y = self.y(value)
            self.add(tag("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid"))
            self.add(tag("text", f"{value:g}{y_unit}", x=_LEFT - 6, y=y + 4, class_="tick end"))
        for value in ticks(*self._xs, count=6):
            if x_name != "epoch" or value == round(value):
                self.add(tag("text", f"{value:g}", x=self.x(value), y=base + 14, class_="tick mid"))
        self.add(tag("text", x_name, x=right, y=_HEIGHT - 4, class_="tick end"))

    def x(self, value: float) -> float:
        low, high = self._xs
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._ys
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def add(self, *parts: Html) -> None:
        self._parts += parts

    def svg(self, label: str) -> Html:
        box = f"0 0 {_WIDTH:g} {_HEIGHT:g}"
        return tag("svg", tag("title", label), *self._parts, viewBox=box, role="img", aria_label=label, class_="chart")
