"""Texts of the telephone corpora come out as HENT-SRT scores them."""

from __future__ import annotations

import pytest

from espnet_jst.data.corpora import wording


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("¡Hola! ¿Qué tal, Ana?", "hola qué tal ana"),
        ("I’m  (well)-known, `t is 3.5%", "i'm wellknown 't is 35"),
        ("كيف حالك؟ 今天，好", "كيف حالك؟ 今天，好"),  # Arabic and Chinese marks stay
        ("| yes |", "yes"),
        ("...", ""),
    ],
)
def test_ascii_punctuation_goes_and_apostrophes_stay(text: str, expected: str) -> None:
    assert wording.plain(text) == expected


def test_a_hyphen_parts_english_words_and_letters_encoded_twice_are_mended() -> None:
    assert wording.english("Uh-huh, MÃ©xico — AndreÃ\xadta") == "uh huh méxico andreíta"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("UM/باهي O/ok؟", "باهي ok"), ("M/ الحمدللّه.", "الحمدللّه"), ("O سافا U/", "سافا")],
)
def test_tunisian_annotation_goes(text: str, expected: str) -> None:
    assert wording.tunisian(text) == expected


def test_folded_tunisian_has_one_form_of_each_letter() -> None:
    assert wording.tunisian_folded("إأآ شنوّة، علىٰ ٣ ڤازوو") == "ا شنوه علي 3 فازو"


def test_spanish_markup_goes_and_what_was_said_stays() -> None:
    text = '<foreign lang="English"> OK </foreign> ((eh)) +no+ {laugh} [static] //sí// mi- *casa* #'
    assert wording.spanish(text) == "ok eh no sí mi casa"


def test_mandarin_is_written_without_blanks_and_spelt_letters_stay_words() -> None:
    text = "<noise> 他 说 </noise>，((用)) ~GPT-4 {laugh} %嗯 。"
    assert wording.mandarin(text) == "他说用gpt 4嗯"
