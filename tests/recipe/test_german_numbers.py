from __future__ import annotations

import itertools

import pytest

from espnet_jst.text.serialize import serialize
from tests.recipe.digits import german_numbers

ONES = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
TO_99 = {
    10: "zehn", 11: "elf", 12: "zwölf", 13: "dreizehn", 14: "vierzehn", 15: "fünfzehn", 16: "sechzehn", 17: "siebzehn",
    18: "achtzehn", 19: "neunzehn", 20: "zwanzig", 21: "ein und zwanzig", 30: "dreißig", 31: "ein und dreißig",
    32: "zwei und dreißig",
    40: "vierzig", 50: "fünfzig", 56: "sechs und fünfzig", 60: "sechzig", 67: "sieben und sechzig",
    70: "siebzig", 71: "ein und siebzig", 76: "sechs und siebzig", 80: "achtzig", 90: "neunzig", 99: "neun und neunzig",
}  # fmt: skip


def read(text: str) -> str:
    digits = [german_numbers.ENGLISH.index(word) for word in text.split()]
    return " ".join(german_numbers.translate(digits)[0])


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("four two seven", "zwei und vierzig sieben"),
        ("zero seven", "null sieben"),
        ("one six", "sechzehn"),
        ("two zero", "zwanzig"),
        ("two one", "ein und zwanzig"),
        ("zero zero", "null null"),
        ("zero one", "null eins"),
        ("one zero", "zehn"),
        ("one", "eins"),
        ("one one one", "elf eins"),
        ("three one zero one two", "ein und dreißig null eins zwei"),
    ],
)
def test_digits_are_read_in_pairs(english, german):
    assert read(english) == german


@pytest.mark.parametrize(("value", "german"), sorted(TO_99.items()))
def test_numbers_from_10_to_99_are_german(value, german):
    assert " ".join(german_numbers.read_pair(value // 10, value % 10)[0]) == german


@pytest.mark.parametrize("unit", range(10))
def test_a_leading_zero_is_read_digit_by_digit(unit):
    assert german_numbers.read_pair(0, unit)[0] == ["null", ONES[unit]]


def test_a_hundred_pairs_are_a_hundred_different_texts():
    texts = {" ".join(german_numbers.read_pair(tens, units)[0]) for tens in range(10) for units in range(10)}
    assert len(texts) == 100
    assert len({word for text in texts for word in text.split()}) == 30


def test_links_join_digits_and_their_words_and_leave_und_alone():
    words, links = german_numbers.translate([4, 2, 1, 6, 0, 7, 9])
    assert words == ["zwei", "und", "vierzig", "sechzehn", "null", "sieben", "neun"]
    assert links == {(0, 2), (1, 0), (2, 3), (3, 3), (4, 4), (5, 5), (6, 6)}


def test_blocks_and_eager_emission_coincide_on_digits():
    # A pair reorders inside itself only, and its first German word needs its second digit.
    for length in (1, 2, 3):
        for digits in itertools.product(range(10), repeat=length):
            words, links = german_numbers.translate(list(digits))
            source = german_numbers.transcribe(list(digits))
            block, eager = (serialize(source, words, links, policy=policy) for policy in ("align", "eager"))
            assert block == eager, (digits, block, eager)


def test_rotated_digits_come_in_groups_whose_first_is_last():
    words, links = german_numbers.rotate([4, 2, 7, 1, 5, 6], 4)
    assert words == ["zwei", "sieben", "eins", "vier", "sechs", "fünf"]
    assert links == {(1, 0), (2, 1), (3, 2), (0, 3), (5, 4), (4, 5)}
    assert german_numbers.rotate([3], 4) == (["drei"], {(0, 0)})


def test_eager_emission_writes_rotated_digits_sooner_than_blocks():
    words, links = german_numbers.rotate([4, 2, 7, 1], 4)
    source = german_numbers.transcribe([4, 2, 7, 1])
    block, eager = (serialize(source, words, links, policy=policy) for policy in ("align", "eager"))
    assert " ".join(block) == "<asr> four two seven one <st> zwei sieben eins vier"
    assert " ".join(eager) == "<asr> four two <st> zwei <asr> seven <st> sieben <asr> one <st> eins vier"
