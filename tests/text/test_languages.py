"""Codes of one language, however they are written, are one language."""

from __future__ import annotations

import pytest

from espnet_jst.text.languages import language, unknown_note


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ("zh ZH cmn zho chi zh-TW zh_CN zh-Hant-TW cmn_Hans cn", "zh"),
        ("yue zh-yue YUE", "yue"),
        ("ja jpn jp JA-JP", "ja"),
        ("th tha TH_th", "th"),
        ("de deu ger de-AT DE", "de"),
        ("en eng en-US en_XX", "en"),
        ("fa pes per", "fa"),
        ("ko kor ko-KR", "ko"),
        ("my mya bur", "my"),
        ("bo tib", "bo"),
        ("jv jav jw", "jv"),
        ("ceb", "ceb"),
        ("ny nya", "ny"),
    ],
)
def test_every_form_of_a_code_names_the_same_language(codes, code):
    assert {language(form).code for form in codes.split()} == {code}
    assert all(unknown_note(form) is None for form in codes.split())


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        ("zh_CN", "zh-CN"),
        ("cmn-hant-tw", "zh-Hant-TW"),
        ("ENG", "en"),
        ("en_XX", "en"),
        ("sr-latn", "sr-Latn"),
        ("es-419", "es-419"),
        ("mb", "mb"),
        ("zh-cmn-hans-cn", "zh-Hans-CN"),
        ("de_DE@euro", "de-DE"),
        ("en_US.UTF-8", "en-US"),
        ("en-x-us", "en"),
        ("en-u-ca-gregory", "en"),
        ("sr-rs-latn", "sr-RS"),
        ("language!", "und"),
        ("", "und"),
        (None, "und"),
    ],
)
def test_the_tag_is_what_xml_lang_takes(code, tag):
    assert language(code).tag == tag


def test_languages_say_whether_they_write_blanks():
    assert [language(code).blanks for code in ("zh-TW", "tha", "km", "dzo", "ko", "vi", "xx-unknown")] == [
        *([False] * 4),
        True,
        True,
        None,
    ]


def test_an_unknown_language_is_said_in_one_line():
    note = unknown_note("klingon")
    assert note is not None and "'klingon'" in note and "\n" not in note
