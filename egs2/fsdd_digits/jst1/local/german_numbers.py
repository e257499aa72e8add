"""The translation side of the digits: digits read in pairs as German numbers, in separate words.

The first digit of a pair is the tens and the second the units, and German says the units first: "four two" is
"zwei und vierzig". A pair with a leading zero is read digit by digit, 10-19 and full tens are one word, an odd last
digit stands alone. Inside a number one is "ein", alone it is "eins".

For experiments with longer reorderings the translation can be another (`rotate`): single digits in groups, of which the
first comes last, as a German verb does: in groups of four, "four two seven one" is "zwei sieben eins vier".
"""

from __future__ import annotations

from collections.abc import Sequence

ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
UNITS = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
TEENS = (
    "zehn", "elf", "zwölf", "dreizehn", "vierzehn",
    "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn",
)  # fmt: skip
TENS = ("", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")

Links = set[tuple[int, int]]


def read_pair(tens: int, units: int) -> tuple[list[str], Links]:
    """Words of one pair of digits, and the links (digit of the pair, word) of the construction."""
    if tens == 0:
        return [UNITS[0], UNITS[units]], {(0, 0), (1, 1)}
    if tens == 1:
        return [TEENS[units]], {(0, 0), (1, 0)}
    if units == 0:
        return [TENS[tens]], {(0, 0), (1, 0)}
    # "und" has no counterpart in the source and stays without a link.
    return ["ein" if units == 1 else UNITS[units], "und", TENS[tens]], {(1, 0), (0, 2)}


def translate(digits: Sequence[int]) -> tuple[list[str], Links]:
    """German words of a digit string, and the links (source word, target word) of the construction.

    Args:
        digits: values 0-9.
    """
    words: list[str] = []
    links: Links = set()
    for start in range(0, len(digits), 2):
        pair = digits[start : start + 2]
        said, inner = read_pair(pair[0], pair[1]) if len(pair) == 2 else ([UNITS[pair[0]]], {(0, 0)})
        links |= {(start + i, len(words) + j) for i, j in inner}
        words += said
    return words, links


def rotate(digits: Sequence[int], group: int) -> tuple[list[str], Links]:
    """German words of single digits in groups of `group`, the first of each group last; and the links."""
    order = []
    for start in range(0, len(digits), group):
        stop = min(start + group, len(digits))
        order += [*range(start + 1, stop), start]
    return [UNITS[digits[i]] for i in order], {(i, j) for j, i in enumerate(order)}


def transcribe(digits: Sequence[int]) -> list[str]:
    """English words of a digit string."""
    return [ENGLISH[digit] for digit in digits]
