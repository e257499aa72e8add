"""A corpus may have both texts or one of them, and then what needs both is not asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Limits
from espnet_jst.data.kaldi import write_table
from espnet_jst.data.texts import Texts
from espnet_jst.data.utterances import check_utterance, read_set
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION

BOTH = Texts("text.lc.en", "text.lc.de")
TABLES = {
    "wav.scp": {"a": "a.wav", "b": "b.wav"},
    "text.lc.en": {"a": "one two", "b": "three"},
    "text.lc.de": {"a": "eins zwei"},
    "alignment": {"a": "0-0 1-1"},
    "word_times": {"a": "0.3 0.6", "b": "0.5"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, table in TABLES.items():
        write_table(tmp_path / name, table)
    return tmp_path


@pytest.mark.parametrize(
    ("texts", "keys", "optional"),
    [
        (BOTH, ["a"], ["alignment", "word_times"]),
        (Texts("text.lc.en"), ["a", "b"], ["word_times"]),
        (Texts(None, "text.lc.de"), ["a"], []),
    ],
)
def test_a_set_is_what_its_texts_name_with_the_tables_that_they_give_a_meaning(folder, texts, keys, optional):
    found = read_set(folder, *texts)
    assert [item.utt_id for item in found.items] == keys
    assert found.optional == optional


def test_the_one_text_may_have_the_name_of_espnets_recognition(folder):
    alone = Texts("text.lc.fr")
    assert alone.found_in(folder) == alone
    write_table(folder / "text", {"a": "un"})
    assert alone.found_in(folder) == ("text", None)
    assert Texts(None, "text.lc.fr").found_in(folder) == (None, "text")
    assert Texts("text.lc.en").found_in(folder) == ("text.lc.en", None)  # which is there
    assert Texts("text.lc.fr", "text.lc.de").found_in(folder) == ("text.lc.fr", "text.lc.de")


def test_files_have_the_lanes_of_their_texts():
    assert BOTH.by_lane == {TRANSCRIPT: "text.lc.en", TRANSLATION: "text.lc.de"}
    assert Texts(None, "text.lc.de").by_lane == {TRANSLATION: "text.lc.de"}
    assert BOTH.both and not Texts("text.lc.en").both


def test_each_text_is_held_to_what_can_be_said_of_it():
    tables = {"text": {"a": "one two"}, "alignment": {"a": "5-5"}, "word_times": {"a": "0.3"}}
    check_utterance("a", tables, Texts(None, "text"), samples=8000, fs=8000, limits=Limits())
    with pytest.raises(BadItem, match="1 word times for 2 source words"):
        check_utterance("a", tables, Texts("text"), samples=8000, fs=8000, limits=Limits())
