"""Signs in a text that a person cannot see to be wrong: what is refused, and what is mended with a statement.

Refused, because a text was damaged or a program takes the sign for something else: control characters, replacement
characters, special tokens. Mended, because the text is clear without them: invisible characters, blanks of other
kinds, letters written with separate marks. Stage 3 writes the mended text; `doctor` names every case.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.kaldi import without_mark
from espnet_jst.text.token_list import BLANK, SOS_EOS, SPACE, UNK, WORD_START

SPECIAL = (BLANK, UNK, SOS_EOS, SPACE, "<s>", "</s>")
_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL)) + r"|<0x[0-9a-f]{2}>", re.IGNORECASE)
_LOST = "\ufffc\ufffd"
# Blanks of other kinds, a Braille cell without dots, Hangul fillers; two of them hold a place in old syllables.
_OTHER_BLANK = re.compile("[^\\S \t]|[\u2800\u3164\uffa0]|(?<![\u1100-\u11ff])[\u115f\u1160]+(?![\u1161-\u11ff])")
_UNDRAWN = "\u034f\u17b4\u17b5"  # marks that no font draws: a grapheme joiner, Khmer's inherent vowels
# Format characters that are seen, or change what is seen: Arabic and other number signs.
_SEEN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
# Scripts whose letters change their form at a joiner: Arabic to Sinhala, Burmese, Khmer, Mongolian and others.
_JOINING = re.compile(
    "[\u0600-\u0dff\u1000-\u109f\u1780-\u18af\u1b00-\u1b7f\ua840-\ua87f\ua980-\ua9df\uaa60-\uaa7f\ufb50-\ufdff"
    "\ufe70-\ufefc\U00010a00-\U00011fff\U0001e900-\U0001e95f]"
)
_FLAG = 32  # characters; a region's flag has half as many
_ZWNJ, _ZWJ = "\u200c", "\u200d"
_ARROW = "\u2194"  # of the emoji that shake their heads; a sign of mathematics by its category


class Mended(NamedTuple):
    """A text as the stages write it, and (kind, what was done) of each sort of change."""

    text: str
    changes: list[tuple[str, str]]


def mend(text: str) -> Mended:
    """The text in NFC with plain blanks and without invisible characters."""
    changes: list[tuple[str, str]] = []
    normal = unicodedata.is_normalized("NFC", text)
    plain = text.isprintable() and not _OTHER_BLANK.search(text) and not any(sign in text for sign in _UNDRAWN)
    if plain and normal:
        return Mended(" ".join(text.split()), changes)
    text = unicodedata.normalize("NFC", text)  # which orders the marks before a joiner
    seen, taken = _without_invisible(text)
    if taken:
        changes.append(("text-invisible", f"{_listed(taken)} taken out"))
    if others := Counter("".join(_OTHER_BLANK.findall(seen))):
        seen = _OTHER_BLANK.sub(" ", seen)
        changes.append(("text-blank", f"{_listed(others)} read as a blank"))
    if not (normal and unicodedata.is_normalized("NFC", seen)):
        seen = unicodedata.normalize("NFC", seen)
        changes.append(("text-form", "letters with separate marks are brought to NFC"))
    return Mended(" ".join(seen.split()), changes)


def _without_invisible(text: str) -> tuple[str, Counter[str]]:
    """The text without the characters that are neither seen nor change what is seen, and those that are gone."""
    # What a joiner stands between may itself have invisible neighbours: "\u200c\u200f", or one joiner twice.
    following, after = [], ""
    for character in reversed(text):
        following.append(after)
        after = after if _is_format(character) else character
    seen, taken = "", Counter[str]()
    for character, after in zip(text, reversed(following), strict=True):
        if _invisible(seen, character, after):
            taken[character] += 1
        else:
            seen += character
    return seen, taken


def _is_format(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or character in _UNDRAWN


def _invisible(seen: str, character: str, after: str) -> bool:
    """Whether a character is neither seen nor changes what is seen, between what is seen before and after it."""
    if not _is_format(character):
        return False
    before = seen[-1:]
    if character == _ZWNJ:
        return not (_JOINING.match(before) and (_JOINING.match(after) or unicodedata.category(before) == "Mn"))
    if character == _ZWJ:
        emoji = bool(before and after) and (unicodedata.category(after) == "So" or after == _ARROW)
        emoji = emoji and (unicodedata.category(before) in ("So", "Sk") or before in "\ufe0f\u20e3")
        return before == _ZWJ or not (_JOINING.match(before) or _JOINING.match(after) or emoji)
    if "\U000e0020" <= character <= "\U000e007f":  # a flag of a region: its letters follow a black flag
        return not re.search("\U0001f3f4[\U000e0020-\U000e007f]*$", seen[-_FLAG:])
    if character == "\u180e":
        return not _JOINING.match(before)
    return character not in _SEEN


def check_signs(name: str, text: str, tags: Sequence[str]) -> None:
    """Refuse a text with signs that no speaker said.

    Raises:
        BadItem: names the file and the sign.
    """
    lost = Counter(c for c in text if c in _LOST)
    if lost:
        fix = "take the text from its source again: a conversion has lost characters"
        raise BadItem(f"{name}: {_listed(lost)} stands for what was lost", fix, "text-replacement")
    control = Counter() if text.isprintable() else Counter(c for c in text if _is_control(c))
    if control:
        fix = "remove it; is the file text, in UTF-8?"
        raise BadItem(f"{name}: the text holds the control character {_listed(control)}", fix, "text-control")
    found = _SPECIAL.search(text)
    reserved = [found[0]] if found else [sign for sign in (*tags, WORD_START) if sign in text]
    if reserved:
        sign = f"{WORD_START} (U+2581)" if reserved[0] == WORD_START else reserved[0]
        fix = "write what was said, or remove the utterance; for a tag, other tags may be chosen"
        raise BadItem(f"{name}: the text holds the reserved symbol {sign}", fix, "text-reserved-symbol")


def _is_control(character: str) -> bool:
    code = ord(character)
    if unicodedata.category(character) == "Cc":
        return not character.isspace()
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE


def is_speechless(text: str) -> bool:
    """Whether a text has neither letter nor digit nor sign that is spoken: "...", "?!"."""
    return not any(unicodedata.category(c)[0] in "LNS" or c in "%&@#§‰*" for c in text)


def marked_lines(path: str | Path) -> list[str]:
    """Keys of the lines before which a byte order mark stands, as where files were joined by `cat`."""
    content = Path(path).read_bytes()
    if codecs.BOM_UTF8 not in content:
        return []
    lines = (line for line in content.split(b"\n") if line.startswith(codecs.BOM_UTF8))
    keys = (without_mark(line).split(maxsplit=1) for line in lines)
    return [key[0].decode("utf-8", errors="replace") for key in keys if key]


def _listed(found: Counter[str]) -> str:
    return ", ".join(f"U+{ord(c):04X} ({unicodedata.name(c, 'no name').lower()})" for c in sorted(found)[:3])
