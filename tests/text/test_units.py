"""Characters are the words of scripts without blanks, and a text comes back from its units exactly."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_jst.text.units import Glued, canonical, has_blanks, join_texts, join_units, main_script, split_units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("今天天气，真好", "今 天 天 气 ， 真 好"),
        ("用GPT-4吧", "用 GPT-4 吧"),
        ("我用 deep learning 做", "我 用 deep learning 做"),
        ("ラーメンを12個食べた。", "ラ ー メ ン を 12 個 食 べ た 。"),
        ("ที่นี่น้ำ 25", "ที่ นี่ น้ำ 25"),
        ("ខ្មែរ", "ខ្មែ រ"),
        ("မြန်မာ", "မြ န် မာ"),
        ("བོད་ཡིག", "བོ ད ་ ཡི ག"),
        ("ປະເທດລາວ", "ປ ະ ເ ທ ດ ລ າ ວ"),
        (unicodedata.normalize("NFD", "がく"), unicodedata.normalize("NFD", "が く")),
        ("好👨‍👩‍👧吧", "好 👨‍👩‍👧 吧"),
        ("한국어는 좋다", "한국어는 좋다"),
        ("می\u200cخواهم بروم", "می\u200cخواهم بروم"),
        ("hello wide  world", "hello wide world"),
        ("क्षत्रिय", "क्षत्रिय"),
    ],
)
def test_a_character_with_its_marks_is_a_word_only_where_scripts_have_no_blanks(text, units):
    assert split_units(text) == units.split(" ")


def test_a_language_with_blanks_keeps_its_words_whatever_they_are_written_in():
    assert split_units("한국어 大韓民國은", "ko") == ["한국어", "大韓民國은"]
    assert split_units("大韓民國", "xx-unknown") == split_units("大韓民國") == list("大韓民國")


PIECES = st.lists(
    st.sampled_from(
        [*"今天GP4，。ーก็ำ่สទ្រ្က်ခ👨e\u0301\u200d\u200c\u3099\ufe0f한བོ་!-", " ", "deep "],
    ),
    max_size=12,
)


@settings(max_examples=300, deadline=None)
@given(PIECES)
def test_every_text_comes_back_from_its_units(pieces):
    text = " ".join("".join(pieces).split())
    units = split_units(text)
    assert join_units(units) == text
    assert all(unit and " " not in unit for unit in units)
    assert "".join(units) == text.replace(" ", "")


def test_blanks_inside_a_text_without_blanks_are_kept_by_its_units():
    units = split_units("今天 天气")
    assert [isinstance(unit, Glued) for unit in units] == [False, True, False, True]
    assert canonical("今天 天气") == "今天天气"


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ("今 天", "今天"),
        ("我 爱 deep learning 啊", "我爱deep learning啊"),
        ("ส วั ส 25 ปี", "สวัส 25 ปี"),
        ("zwei Wörter", "zwei Wörter"),
        ("한국어 좋다", "한국어 좋다"),
    ],
)
def test_words_of_which_nothing_is_known_are_joined_as_their_scripts_are(texts, line):
    assert join_texts(texts.split()) == line


def test_what_is_known_of_a_blank_goes_before_the_script():
    assert join_texts(["今", "天", "ab", "c"], [None, False, None, True]) == "今 天abc"


def test_the_script_of_an_unknown_language_is_that_of_most_letters():
    assert main_script(["今天GPT", "天气"]) == "zh"
    assert main_script(["今日は"]) == "ja"
    assert main_script(["สวัสดี"]) == "other"
    assert main_script(["a long english sentence about 北京"]) is None
    assert main_script(["", "12 34"]) is None


def test_joined_scripts_say_whether_they_have_blanks():
    assert has_blanks("größer") and has_blanks("한국") and not has_blanks("größer 天")


def test_yi_is_written_without_blanks_as_its_language_says():
    assert split_units("ꊿꂷꃅꄿ") == list("ꊿꂷꃅꄿ") == split_units("ꊿꂷꃅꄿ", "ii")
