"""What a data directory holds is brought into the form that the stages use, with a statement for each change."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.data.checks import WARNING
from espnet_jst.data.texts import Texts
from espnet_jst.data.unit_links import carry_over
from espnet_jst.data.utterances import read_set

TEXTS = Texts("text.lc.en", "text.lc.zh")


def write(folder: Path, **tables: dict[str, str]) -> Path:
    names = {"wav": "wav.scp", "en": TEXTS[0], "zh": TEXTS[1], "links": "alignment", "times": "word_times"}
    for name, table in tables.items():
        lines = (f"{key} {value}\n" for key, value in table.items())
        (folder / names[name]).write_bytes("".join(lines).encode("utf-8"))
    return folder


def test_texts_are_mended_and_each_change_is_told(tmp_path):
    folder = write(tmp_path, wav={"a": "a.wav"}, en={"a": "on\u200be\u00a0two"}, zh={"\ufeffa": "一 二"})
    data = read_set(folder, *TEXTS)
    assert data.tables[TEXTS[0]] == {"a": "one two"} and not data.problems
    assert {(remark.utt_id, remark.kind, remark.severity) for remark in data.remarks} == {
        ("a", "text-invisible", WARNING),
        ("a", "text-blank", WARNING),
        ("a", "text-byte-order-mark", WARNING),
    }


def test_a_word_of_invisible_signs_that_links_count_is_an_error(tmp_path):
    tables = {"wav": {"a": "a.wav"}, "en": {"a": "one \u200b two"}, "zh": {"a": "一二"}}
    assert not read_set(write(tmp_path, **tables), *TEXTS).problems
    data = read_set(write(tmp_path, **tables, links={"a": "0-0 2-1"}), *TEXTS)
    assert [problem.kind for problem in data.problems] == ["text-invisible"] and not data.items


def test_a_name_that_other_programs_would_cut_is_an_error(tmp_path):
    key = "a\u00a01"
    data = read_set(write(tmp_path, wav={key: "a.wav"}, en={key: "one"}, zh={key: "一"}), *TEXTS)
    assert [problem.kind for problem in data.problems] == ["key-blank"]


def tables(links, times=None):
    found = {TEXTS[0]: {"a": "the weather today", "b": "tomorrow"}, TEXTS[1]: {"a": "今天 天气 好", "b": "明天"}}
    found |= {"alignment": links} | ({"word_times": times} if times else {})
    return found


def test_links_of_words_between_blanks_are_carried_over_to_their_characters():
    found = tables({"a": "1-1 2-0", "b": "0-0"})
    assert carry_over(found, TEXTS) == ["a", "b"]
    assert found["alignment"] == {"a": "1-2 1-3 2-0 2-1", "b": "0-0 0-1"}


def test_links_of_characters_are_known_by_one_past_the_words():
    links = {"a": "1-2 1-3 2-0 2-1 0-4", "b": "0-0 0-1"}
    found = tables(dict(links))
    assert carry_over(found, TEXTS) == [] and found["alignment"] == links


def test_times_of_words_are_shared_by_their_characters():
    texts = Texts(TEXTS[1], TEXTS[0])
    found = tables({"a": "-"}, {"a": "0.4 1.0 1.3", "b": "0.1 0.2"})
    assert carry_over(found, texts) == ["a"]
    assert found["word_times"] == {"a": "0.200 0.400 0.700 1.000 1.300", "b": "0.1 0.2"}


@pytest.mark.parametrize("value", ["0.4 x 1.3", "-", "0.1 0.2 0.3 0.4 0.5"])
def test_times_that_are_not_of_words_stay_for_the_checks(value):
    found = tables({"a": "0-x"}, {"a": value})
    assert carry_over(found, Texts(TEXTS[1], TEXTS[0])) == []
    assert found["word_times"]["a"] == value and found["alignment"]["a"] == "0-x"


def test_texts_with_blanks_are_untouched():
    found = {"text.en": {"a": "one two"}, "text.de": {"a": "eins zwei"}, "alignment": {"a": "0-0"}}
    assert carry_over(found, Texts("text.en", "text.de")) == [] and found["alignment"] == {"a": "0-0"}
