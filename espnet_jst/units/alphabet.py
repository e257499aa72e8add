"""Units as characters, so that SentencePiece makes pieces of them: code points for private use, which no text has.

ESPnet's `asr2.sh` begins at U+4E00, where Chinese and Japanese have their characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from espnet_jst.errors import DataError

FIRST, FIRST_LARGE = 0xE000, 0xF0000  # 6,400 places in the basic plane (3 bytes each), 65,534 beyond it (4 bytes)
ASR2_FIRST = 0x4E00
SMALL = 6400


def first_code(clusters: int) -> int:
    """The code point of unit 0 in an alphabet of so many units."""
    return FIRST if clusters <= SMALL else FIRST_LARGE


def as_text(units: Iterable[int], clusters: int) -> str:
    """Unit ids, 0 to clusters - 1, as a text without blanks.

    Raises:
        DataError: an id is not of this alphabet.
    """
    units, first = list(units), first_code(clusters)
    wrong = next((unit for unit in units if not 0 <= unit < clusters), None)
    if wrong is not None:
        raise DataError(f"unit {wrong} is none of the {clusters} units 0 to {clusters - 1}: these are another set's")
    return "".join(chr(first + unit) for unit in units)


def from_text(text: str, clusters: int, *, first: int | None = None) -> list[int]:
    """What `as_text` wrote; blanks are skipped.

    Args:
        first: code point of unit 0; `ASR2_FIRST` for what ESPnet's `asr2.sh` wrote.

    Raises:
        DataError: a character stands for none of the units.
    """
    first = first_code(clusters) if first is None else first
    units = [ord(character) - first for character in text if not character.isspace()]
    for unit in units:
        if not 0 <= unit < clusters:
            raise DataError(f"{chr(unit + first)!r} stands for none of {clusters} units: the text is of another set")
    return units


def is_unit(character: str) -> bool:
    """Whether a character, or each of a piece of text, stands for a unit."""
    return bool(character) and all("\ue000" <= c <= "\uf8ff" or c >= "\U000f0000" for c in character)


def without_repeats(units: Sequence[int]) -> list[int]:
    """Each run of the same unit once."""
    return [unit for unit, _ in groupby(units)]


def with_counts(units: Sequence[int]) -> list[tuple[int, int]]:
    """Each run of the same unit once, with its length: what `without_repeats` loses."""
    return [(unit, len(list(run))) for unit, run in groupby(units)]
