from __future__ import annotations

import json

import pytest

from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.errors import DataError
from espnet_jst.recipe.time_errors import read_spans, time_errors, write_ends, write_time_errors

TRUTH = {"a": "0.100:0.500 0.600:1.000", "b": "0.000:0.300"}


def test_ends_are_taken_from_spans(tmp_path):
    write_table(tmp_path / "word_times.ref", TRUTH)
    write_ends(tmp_path / "word_times.ref", tmp_path / "ends")
    assert read_table(tmp_path / "ends") == {"a": "0.500 1.000", "b": "0.300"}


def test_times_that_are_no_spans_name_the_utterance(tmp_path):
    write_table(tmp_path / "word_times.ref", {"a": "0.1 0.5"})
    with pytest.raises(DataError, match=r"^a: "):
        read_spans(tmp_path / "word_times.ref")


def test_errors_are_medians_over_utterances_with_the_right_number_of_words():
    truth = {"a": [(0.1, 0.5), (0.6, 1.0)], "b": [(0.0, 0.3)], "c": [(0.0, 0.3)]}
    decoded = {"a": [(0.2, 0.5), (0.6, 1.4)], "b": [(0.0, 0.4), (0.4, 0.5)], "c": [(0.3, 0.4)]}
    errors = time_errors(decoded, truth)
    assert (errors["utterances"], errors["used"], errors["words"]) == (3, 2, 3)
    assert errors["median_start_s"] == pytest.approx(0.1)
    assert errors["median_end_s"] == pytest.approx(0.1)


def test_only_transcript_words_are_compared(tmp_path):
    write_table(tmp_path / "ref", {"b": TRUTH["b"]})
    words = [
        {"text": "three", "lane": "transcript", "start_s": 0.05, "end_s": 0.25, "emission_s": 0.64},
        {"text": "drei", "lane": "translation", "start_s": 9.0, "end_s": 9.9, "emission_s": 0.64},
    ]
    (tmp_path / "words.jsonl").write_text(json.dumps({"utt_id": "b", "words": words}) + "\n")
    errors = write_time_errors(tmp_path / "words.jsonl", tmp_path / "ref", tmp_path / "out.json")
    assert errors["median_end_s"] == pytest.approx(0.05)
    assert json.loads((tmp_path / "out.json").read_text()) == errors
