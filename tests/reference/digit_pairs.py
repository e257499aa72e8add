"""English digits read in pairs as German numbers, with the links that the construction implies."""

from __future__ import annotations

import random

ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GERMAN = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
TEENS = ["zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn"]
TENS = ["", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]


def pair_in_german(tens, unit):
    """(German words, links of the two digits); "und" has no link."""
    if tens == 0:
        return [GERMAN[0], GERMAN[unit]], {(0, 0), (1, 1)}
    if tens == 1:
        return [TEENS[unit]], {(0, 0), (1, 0)}
    if unit == 0:
        return [TENS[tens]], {(0, 0), (1, 0)}
    return ["ein" if unit == 1 else GERMAN[unit], "und", TENS[tens]], {(1, 0), (0, 2)}


def digit_string(digits):
    """(source words, target words, links)."""
    target, links = [], set()
    for begin in range(0, len(digits), 2):
        pair = digits[begin : begin + 2]
        words, inside = pair_in_german(*pair) if len(pair) == 2 else ([GERMAN[pair[0]]], {(0, 0)})
        links |= {(begin + i, len(target) + j) for i, j in inside}
        target += words
    return [ENGLISH[digit] for digit in digits], target, links


def digit_corpus(size, seed):
    """Random strings of 2 to 7 digits."""
    rng = random.Random(seed)
    return [digit_string([rng.randrange(10) for _ in range(rng.randint(2, 7))]) for _ in range(size)]
