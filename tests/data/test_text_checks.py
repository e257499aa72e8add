"""Signs that a person cannot see to be wrong are mended or refused, and legitimate ones are left alone."""

from __future__ import annotations

import time
import unicodedata

import pytest

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Limits, Problem, check_text
from espnet_jst.data.kaldi import check_same_keys, printable, read_table
from espnet_jst.data.text_checks import is_speechless, marked_lines, mend
from espnet_jst.errors import DataError

TAGS = Limits(tags=("<asr>", "<st>"))


@pytest.mark.parametrize(
    ("text", "mended", "kind"),
    [
        ("one\u200b two", "one two", "text-invisible"),
        ("so\u00adft", "soft", "text-invisible"),
        ("\ufeffone", "one", "text-invisible"),
        ("one\u2060 \u200etwo\u200f", "one two", "text-invisible"),
        ("\u202bשלום\u202c", "שלום", "text-invisible"),
        ("\u2066a\u2069", "a", "text-invisible"),
        ("on\u200ce", "one", "text-invisible"),
        ("on\u200de", "one", "text-invisible"),
        ("ถนน\u200bใหญ่", "ถนนใหญ่", "text-invisible"),
        ("\u200b", "", "text-invisible"),
        ("10\u00a0%", "10 %", "text-blank"),
        ("a\u2009b\u202fc", "a b c", "text-blank"),
        ("あ\u3000い", "あ い", "text-blank"),
        ("a\x85b\u2028c\x0bd\x1ce\rf", "a b c d e f", "text-blank"),
        ("a\u3164b", "a b", "text-blank"),
        ("\u1160", "", "text-blank"),
        ("a\u115f\u1160b", "a b", "text-blank"),
        ("a\u034fb", "ab", "text-invisible"),
        ("ភាសា\u17b5ខ្មែរ", "ភាសាខ្មែរ", "text-invisible"),
        ("می\u200c\u200cخواهم", "می\u200cخواهم", "text-invisible"),
        ("می\u200c\u200fخواهم", "می\u200cخواهم", "text-invisible"),
        ("می\u200f\u200cخواهم", "می\u200cخواهم", "text-invisible"),
        ("क\u094d\u200d\u200dष", "क\u094d\u200dष", "text-invisible"),
        ("👨\u200d\u200b👩", "👨\u200d👩", "text-invisible"),
        (unicodedata.normalize("NFD", "fünf Bücher"), "fünf Bücher", "text-form"),
    ],
)
def test_what_is_clear_without_a_sign_is_mended_and_said(text, mended, kind):
    found = mend(text)
    assert (found.text, [name for name, _ in found.changes]) == (mended, [kind])
    assert mend(mended).changes == []


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",
        "نامه\u200cای",
        "क\u094d\u200dष",
        "ക\u0d4d\u200d",
        "👨\u200d👩\u200d👧 ❤\ufe0f\u200d🔥",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "天\ufe00",
        "\u0600\u0661",
        "naïve café",
        "한국어",
        "ᠮᠣᠩᠭᠣᠯ\u180eᠠ",
        "🙂\u200d↔\ufe0f",
        "\u1100\u1160",
        "\u115f\u1161",
        "क\u094d\u200d",
    ],
)
def test_signs_that_matter_in_their_script_stay(text):
    assert mend(text) == (text, [])


@pytest.mark.parametrize("sign", ["\u200b", "\u200c", "\u200d", "\U000e0061", "\u034f"])
def test_a_long_line_of_invisible_characters_takes_no_longer_than_any(sign):
    begun = time.process_time()
    assert mend(f"a {sign * 200_000} b").text == "a b"
    assert time.process_time() - begun < 3.0


def test_what_was_changed_is_named_by_its_code():
    assert mend("one\u200b")[1][0][1] == "U+200B (zero width space) taken out"


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("tw\ufffd", "text-replacement", "U+FFFD"),
        ("\ufffc", "text-replacement", "U+FFFC"),
        ("one\x07", "text-control", "U+0007"),
        ("one \x00", "text-control", "U+0000"),
        ("\x1b[31mred", "text-control", "U+001B"),
        ("a\x9fb", "text-control", "U+009F"),
        ("a\ufffe", "text-control", "U+FFFE"),
        ("one <unk> two", "text-reserved-symbol", "<unk>"),
        ("one<UNK>two", "text-reserved-symbol", "<UNK>"),
        ("one <blank>", "text-reserved-symbol", "<blank>"),
        ("<sos/eos>", "text-reserved-symbol", "<sos/eos>"),
        ("<space>", "text-reserved-symbol", "<space>"),
        ("</s>", "text-reserved-symbol", "</s>"),
        ("<0xE4>", "text-reserved-symbol", "<0xE4>"),
        ("one <st> two", "text-reserved-symbol", "<st>"),
        ("one.<asr>", "text-reserved-symbol", "<asr>"),
        ("\u2581one", "text-reserved-symbol", "U+2581"),
        ("", "text-empty", "empty"),
        ("-", "text-empty", "'-'"),
    ],
)
def test_a_damaged_text_or_one_that_means_something_to_a_program_is_refused(text, kind, named):
    with pytest.raises(BadItem) as caught:
        check_text("text.lc.en", mend(text).text, TAGS)
    assert caught.value.kind == kind and named in caught.value.reason


@pytest.mark.parametrize("text", ["a < b > c", "x - y", "<noise> one", "100 %", "C++", "😀", "一"])
def test_ordinary_texts_are_good(text):
    check_text("text.lc.en", mend(text).text, TAGS)


def test_texts_without_a_letter_are_known():
    assert [is_speechless(text) for text in ("...", "?! —", "7", "%", "ก", "😀", "é")] == [True, True, *([False] * 5)]


def test_a_byte_order_mark_at_any_line_is_no_part_of_a_key(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("\ufeffa 1\n\ufeff\ufeffb 2\r\nｃ 3\n".encode())
    assert read_table(path) == {"a": "1", "b": "2", "ｃ": "3"}
    assert marked_lines(path) == ["a", "b"]


def test_names_that_look_the_same_are_printed_apart():
    key = unicodedata.normalize("NFD", "fünf")
    assert printable(key) == "fu\\u0308nf" and printable("fünf") == "fünf"
    assert str(Problem("u\u200b1", "bell \x07", "mend it")) == "u\\u200b1: bell \\x07; mend it"
    with pytest.raises(DataError, match=r"u\\u200b1"):
        check_same_keys({"wav.scp": ["u1"], "text": ["u\u200b1"]})
