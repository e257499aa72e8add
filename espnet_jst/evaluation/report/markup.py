"""HTML and SVG by construction: text is escaped unless it was made by `tag`, so transcripts can hold anything."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence


class Html(str):
    """Markup that needs no escaping."""


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element; `class_` is class, `aria_label` aria-label; an attribute that is None is left out.

    Children are text (escaped), `Html`, or None. Numbers lose digits that no screen shows.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(key if value is True else f'{key}="{html.escape(_text(value))}"')
    opening = f"<{' '.join(parts)}>"
    return Html(opening if name in _VOID else f"{opening}{join(children)}</{name}>")


_VOID = ("meta", "br")


def join(children: Iterable[object], separator: str = "") -> Html:
    """Children one after another, text escaped."""
    pieces = (
        child if isinstance(child, Html) else html.escape(_text(child)) for child in children if child is not None
    )
    return Html(separator.join(pieces))


def _text(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]], *, sortable: bool = False) -> Html:
    """A table whose first column names the row.

    The style stacks the cells of a row on a narrow window, where each needs its column's name (`data-label`); the
    roles keep it a table for those who listen, which `display: block` would undo.
    """
    heads = [tag("th", name, scope="col", role="columnheader") for name in header]
    lines = []
    for first, *cells in rows:
        named = zip(header[1:], cells, strict=True)
        data = (tag("td", cell, role="cell", data_label=name) for name, cell in named)
        lines.append(tag("tr", tag("th", first, scope="row", role="rowheader"), *data, role="row"))
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *heads, role="row"), role="rowgroup"),
        tag("tbody", *lines, role="rowgroup"),
        role="table",
        class_="sortable" if sortable else None,
    )


def scroll_box(picture: Html, label: str) -> Html:
    """A picture that may be wider than the window: it scrolls by itself, also with the keyboard."""
    return tag("div", picture, class_="scroll", tabindex=0, role="region", aria_label=label)


def text_width(text: str, size: float) -> float:
    """Width of a text in pixels, estimated: a character is 0.58 of the font's size, a wide one (Chinese) 1.05."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return size * (1.05 * wide + 0.58 * (len(text) - wide))


def cut(text: str, size: float, width: float) -> str:
    """The text, shortened with an ellipsis where it does not fit into `width` pixels."""
    if text_width(text, size) <= width:
        return text
    keep = len(text)
    while keep and text_width(text[:keep], size) + size > width:
        keep -= 1
    return text[:keep].rstrip() + "…" if keep else ""


def pack_rows(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Row of each span (start, end) such that no two of a row overlap; the first free row is taken."""
    ends: list[float] = []
    rows = []
    for start, end in spans:
        row = next((k for k, taken in enumerate(ends) if taken <= start + 1e-9), len(ends))
        ends[row : row + 1] = [end]
        rows.append(row)
    return rows
