"""Links and times that a user counted by words between blanks, for texts whose units are characters (`text.units`)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from espnet_jst.data.texts import Texts
from espnet_jst.text.units import has_blanks, split_units

Tables = Mapping[str, dict[str, str]]
LINKS = ("alignment", "alignment.ref")


def carry_over(tables: Tables, texts: Texts) -> list[str]:
    """Bring links and word times to the units of their texts, in place.

    A word's link holds for each of its characters, and its time is shared evenly. Times tell by their number what they
    count. Links do not, one by one: they count words where no utterance of the file has one past its words.

    Args:
        tables: texts and, where they exist, "alignment", "word_times" and their references.

    Returns:
        The utterances that were changed.
    """
    source, target = (_unspaced(tables[name]) if name is not None else set() for name in texts)
    if not source and not target:
        return []
    changed = []
    for name in LINKS:
        if name in tables and texts.both:
            changed += _carry_links(tables[name], [tables[text] for text in texts.names], source | target)
    for name, form in (("word_times", False), ("word_times.ref", True)):
        for key in source & set(tables.get(name, ())):  # empty without a transcript
            words = [len(split_units(word)) for word in tables[f"{texts.transcript}"][key].split()]
            times = tables[name][key].split()
            if len(times) == len(words) != sum(words):
                spread = _spread_spans(times, words) if form else _spread_ends(times, words)
                if spread is not None:
                    tables[name][key] = spread
                    changed.append(key)
    return sorted(set(changed))


def _unspaced(table: Mapping[str, str]) -> set[str]:
    return {key for key, text in table.items() if not has_blanks(text) and len(split_units(text)) != len(text.split())}


def _carry_links(table: dict[str, str], texts: list[dict[str, str]], concerned: set[str]) -> list[str]:
    converted: dict[str, str] = {}
    for key in concerned & set(table):
        if not all(key in text for text in texts) or table[key].strip() in ("", "-"):
            continue
        places = [_places(text[key]) for text in texts]
        pairs = [link.partition("-") for link in table[key].split()]
        if not all(i.isdecimal() and j.isdecimal() for i, _, j in pairs):
            continue  # the checks name it
        links = [(int(i), int(j)) for i, _, j in pairs]
        if any(i >= len(places[0]) or j >= len(places[1]) for i, j in links):
            return []  # past the words: units
        units = sorted({(a, b) for i, j in links for a in places[0][i] for b in places[1][j]})
        converted[key] = " ".join(f"{a}-{b}" for a, b in units)
    table.update(converted)
    return list(converted)


def _places(text: str) -> list[range]:
    """Positions of the units of each word between blanks."""
    places, begin = [], 0
    for word in text.split():
        end = begin + len(split_units(word))
        places.append(range(begin, end))
        begin = end
    return places


def _spread_ends(times: list[str], words: list[int]) -> str | None:
    try:
        ends = [float(time) for time in times]
    except ValueError:
        return None
    spans = zip(pairwise([0.0, *ends]), words, strict=True)
    return " ".join(f"{a + (k + 1) * (b - a) / count:.3f}" for (a, b), count in spans for k in range(count))


def _spread_spans(times: list[str], words: list[int]) -> str | None:
    try:
        spans = [tuple(float(end) for end in time.split(":")) for time in times]
        found = [
            f"{a + k * (b - a) / count:.3f}:{a + (k + 1) * (b - a) / count:.3f}"
            for (a, b), count in zip(spans, words, strict=True)
            for k in range(count)
        ]
    except ValueError:
        return None
    return " ".join(found)
