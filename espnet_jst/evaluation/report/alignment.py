"""The words of two lanes with the links between them as SVG, and texts with their differences marked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from espnet_jst.evaluation.matching import matching_words, word_differences
from espnet_jst.evaluation.report.markup import Html, join, tag, text_width
from espnet_jst.text.links import Link
from espnet_jst.text.units import Glued, join_units, split_units

_FONT, _ROW, _BETWEEN = 13.0, 26.0, 58.0


def alignment_picture(links: Collection[Link], lanes: Mapping[str, tuple[str, str]]) -> Html:
    """Two rows of written words: a line for each link between right ones, a dashed frame around wrong ones.

    Args:
        links: (source word, target word) of the references.
        lanes: name -> (reference, hypothesis), the source before the target.
    """
    right = [dict(matching_words(*(split_units(text) for text in pair))) for pair in lanes.values()]
    words = [split_units(pair[1]) for pair in lanes.values()]
    widths = [[text_width(word, _FONT) + 14.0 for word in row] for row in words]
    full = max([120.0, *(sum(row) for row in widths)])
    middles: list[list[float]] = [[], []]
    parts: list[Html] = []
    for row, (lane, y) in enumerate(zip(lanes, (2.0, 2.0 + _ROW + _BETWEEN), strict=True)):
        x, step = 0.0, full / max(sum(widths[row]), 1.0)  # both take the whole width, so that links run downwards
        kept = set(right[row].values())
        for number, (word, width) in enumerate(zip(words[row], widths[row], strict=True)):
            middle = x + width * step / 2
            style = f"bar {lane}" if number in kept else f"bar {lane} wrong"
            left = middle - width / 2 + 2
            parts.append(tag("rect", x=left, y=y, width=width - 4, height=_ROW - 4, rx=3, class_=style))
            parts.append(tag("text", word, x=middle, y=y + 15, class_="word mid"))
            middles[row].append(middle)
            x += width * step
    pairs = sorted((right[0][i], right[1][j]) for i, j in links if i in right[0] and j in right[1])
    top, bottom = _ROW - 1.0, _ROW + _BETWEEN + 1.0
    lines = [tag("line", x1=middles[0][i], y1=top, x2=middles[1][j], y2=bottom, class_="link") for i, j in pairs]
    label = "word alignment: " + ("; ".join(f"{words[0][i]} – {words[1][j]}" for i, j in pairs) or "no links")
    size = {"width": full, "height": 2 * _ROW + _BETWEEN + 2}
    return tag("svg", tag("title", label), *lines, *parts, **size, role="img", aria_label=label, class_="alignment")


def marked(reference: str, hypothesis: str, language: str | None = None) -> tuple[Html, Html]:
    """Reference and hypothesis; words that were lost or changed are `del`, words that came in their place `ins`."""
    wanted, written = split_units(reference, language), split_units(hypothesis, language)
    first: list[object] = []
    second: list[object] = []
    for kind, lost, came in word_differences(wanted, written):
        for words, span, name, out in ((wanted, lost, "del", first), (written, came, "ins", second)):
            text = join_units(words[span.start : span.stop])
            if text:
                if out and not isinstance(words[span.start], Glued):
                    out.append(" ")
                out.append(text if kind == "equal" else tag(name, text))
    return join(first), join(second)
