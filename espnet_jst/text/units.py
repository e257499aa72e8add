"""What a word is: what stands between blanks, and in scripts without blanks a character with its marks.

The text alone decides, so that alignment, serialization, streaming and scoring count the same units: "用GPT-4吧" has
the units 用, GPT-4 and 吧. A unit that stands directly behind the one before it is a `Glued`, so that units join to
exactly the text that they come from.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from espnet_jst.text.languages import language

# Scripts without blanks between words. Marks of a script follow letters of the same row only.
_ROWS = (
    # Han, kana, bopomofo and their punctuation, full-width punctuation included
    "\u2e80-\u2fff\u3001-\u312f\u3190-\u31ff\u3220-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\ufe30-\ufe4f"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9f\U0001aff0-\U0001b16f\U00020000-\U0003ffff",
    "\u0e00-\u0e7f",  # Thai
    "\u0e80-\u0eff",  # Lao
    "\u0f00-\u0fff",  # Tibetan
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f",  # Burmese
    "\u1780-\u17ff\u19e0-\u19ff",  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf",  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\ua980-\ua9df\u1b00-\u1b7f",  # Javanese, Balinese
    "\ua000-\ua4cf",  # Yi
)
_EAST_ASIAN = re.compile(f"[{_ROWS[0]}]")
_WITHOUT_BLANKS = re.compile("[" + "".join(_ROWS) + "]")
_ROW = [re.compile(f"[{row}]") for row in _ROWS]
# Letters that follow their base as a mark does, and signs that draw the next letter below the one before.
_VOWELS = "\u0e33\u0eb3"
_LINKERS = "\u1039\u17d2\u1a60\u1b44\ua9c0\u200d"
_JOINERS = "\u200c\u200d"
_VARIANTS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")


class Glued(str):
    """A unit with no blank before it."""

    __slots__ = ()


def has_blanks(text: str) -> bool:
    """Whether a text, or a character, is of a script that puts blanks between words."""
    return text.isascii() or not _WITHOUT_BLANKS.search(text)


def extends(before: str, character: str) -> bool:
    """Whether a character belongs to the one before it: a mark, a vowel sign, what a joiner or linker ties to it."""
    if before and before[-1] in _LINKERS:
        return True
    return character in _JOINERS or character in _VOWELS or unicodedata.category(character)[0] == "M"


def may_extend(unit: str, character: str) -> bool:
    """Whether a character that opens a token could still belong to a finished unit of a script without blanks."""
    if not extends(unit, character):
        return False
    if unit[-1] in _LINKERS or character in _JOINERS or _VARIANTS.match(character):
        return True
    return any(row.match(unit) and row.match(character) for row in _ROW)


def split_units(text: str, code: str | None = None) -> list[str]:
    """The units of a text, in order.

    Args:
        text: any white space counts as a blank.
        code: its language; one that is known to write blanks is split at them alone, whatever scripts it borrows from.

    Returns:
        Units; those without a blank before them are `Glued`. `join_units` gives the text back.
    """
    words = text.split()
    if has_blanks(text) or language(code).blanks:
        return list(words)
    return [unit for word in words for unit in _split(word)]


def _split(word: str) -> list[str]:
    if has_blanks(word):
        return [word]
    units: list[str] = []
    current, bare = "", False
    for character in word:
        alone = not has_blanks(character)
        if current and (extends(current, character) or not (alone or bare)):
            current += character
            continue
        if current:
            units.append(current)
        current, bare = character, alone
    units.append(current)
    return [units[0], *map(Glued, units[1:])]


def join_units(units: Iterable[str]) -> str:
    """The text of units: a blank before each that is not `Glued`."""
    return "".join(unit if isinstance(unit, Glued) else " " + unit for unit in units).lstrip(" ")


def needs_blank(before: str, after: str) -> bool:
    """Whether a blank stands between two units of which nothing else is known: "深 度", no; "deep learning", yes.

    East Asian scripts have none on either side. The others without blanks have none among themselves, and one where a
    word or number of another script comes in.
    """
    base = next((c for c in reversed(before) if not extends("x", c)), before[-1:])
    if not base or not after:
        return False
    if _EAST_ASIAN.match(base) or _EAST_ASIAN.match(after):
        return False
    return has_blanks(base) or has_blanks(after[0])


def join_texts(texts: Sequence[str], glued: Sequence[bool | None] | None = None) -> str:
    """A line of words: a blank where `glued` says False or, where it says nothing, where the scripts want one."""
    line = ""
    for index, text in enumerate(texts):
        known = None if glued is None else glued[index]
        blank = needs_blank(line, text) if known is None else not known
        line += (" " if blank and line else "") + text
    return line


def canonical(text: str, code: str | None = None) -> str:
    """A text with blanks only where its scripts want them: "今天 天气" becomes "今天天气"."""
    if language(code).blanks or has_blanks(text):
        return " ".join(text.split())
    return join_texts([str(unit) for unit in split_units(text)])


def main_script(texts: Iterable[str]) -> str | None:
    """What most letters are: "zh" (Han), "ja" (with kana) or "other" for scripts without blanks, None for the rest."""
    line = "".join(texts)
    unspaced = [c for c in line if c.isalpha() and not has_blanks(c)] if not has_blanks(line) else []
    if 2 * len(unspaced) <= sum(c.isalpha() for c in line):
        return None
    if 2 * sum(bool(_EAST_ASIAN.match(c)) for c in unspaced) <= len(unspaced):
        return "other"
    return "ja" if any("\u3040" <= c <= "\u30ff" for c in unspaced) else "zh"
