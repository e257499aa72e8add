"""Units as characters, runs of the same unit, and how good units are."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from espnet_jst.errors import DataError
from espnet_jst.text.units import has_blanks, split_units
from espnet_jst.units.alphabet import ASR2_FIRST, as_text, first_code, from_text, is_unit, with_counts, without_repeats
from espnet_jst.units.quality import Agreement, phone_agreement, usage


@pytest.mark.parametrize("clusters", [1, 100, 2000, 6400, 6401, 65_000])
def test_what_is_written_is_read_and_is_one_word(clusters: int) -> None:
    units = [0, clusters - 1, clusters // 2, 0, 0]
    text = as_text(units, clusters)
    assert from_text(text, clusters) == units and from_text(" ".join(text), clusters) == units
    assert has_blanks(text) and split_units(text) == [text] and text.split() == [text]
    assert is_unit(text) and not any(is_unit(c) for c in "aé的\u3042")


def test_small_alphabets_take_three_bytes_and_no_character_of_a_language() -> None:
    assert {len(c.encode()) for c in as_text([0, 6399], 6400)} == {3}
    assert {len(c.encode()) for c in as_text([0, 6400], 6401)} == {4}
    assert chr(first_code(6400) + 6399) == "\uf8ff"  # the last one for private use


def test_what_asr2_wrote_is_read() -> None:
    assert from_text("\u4e00\u4e05", 10, first=ASR2_FIRST) == [0, 5]


@pytest.mark.parametrize(("units", "clusters"), [([3], 3), ([-1], 3), ([0, 70_000], 65_000)])
def test_a_unit_of_another_set_is_refused(units: list[int], clusters: int) -> None:
    with pytest.raises(DataError, match="another set"):
        as_text(units, clusters)


def test_text_of_another_set_is_refused() -> None:
    with pytest.raises(DataError, match="'a' stands for none of 5 units"):
        from_text(as_text([1], 5) + "a", 5)


def test_repeats_go_and_come_back() -> None:
    units = [3, 3, 1, 1, 1, 3, 2]
    assert without_repeats(units) == [3, 1, 3, 2]
    assert [unit for unit, count in with_counts(units) for _ in range(count)] == units
    assert without_repeats([]) == [] and with_counts([]) == []


def test_use_of_units() -> None:
    found = usage([[0, 0, 1], [1, 0], []], clusters=4)
    assert (found.used, found.frames) == (2, 5) and found.kept == pytest.approx(4 / 5)
    assert found.perplexity == pytest.approx(math.exp(-(0.6 * math.log(0.6) + 0.4 * math.log(0.4))))


def agreement(units: list[int], phones: str) -> Agreement:
    return phone_agreement(Counter(zip(units, phones, strict=True)))


def test_what_units_tell_of_phones() -> None:
    assert agreement([0, 0, 1, 1], "aabb") == pytest.approx((1, 1, 1))
    assert agreement([0, 1, 0, 1], "aabb") == pytest.approx((0, 0.5, 0.5))
    assert agreement([0, 1, 2, 2], "aabb") == pytest.approx((1, 1, 0.75))  # finer units lose nothing
    assert agreement([0, 0, 0, 1], "aabb") == pytest.approx((0.311278, 0.75, 0.75), abs=1e-6)  # H(3/4) - 1/2
    assert agreement([0, 0], "aa") == (0, 1, 1)
