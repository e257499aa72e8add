from __future__ import annotations

import pytest

from espnet_jst.data import checks
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Limits, Problem

LIMITS = Limits(min_s=0.5, max_s=10.0, frame_s=0.08, tags=("<asr>", "<st>"))


@pytest.mark.parametrize(("samples", "message"), [(3999, "0.500 s"), (80001, "over 10 s")])
def test_audio_outside_the_limits_is_refused(samples, message):
    with pytest.raises(BadItem, match=message):
        checks.check_duration(samples, 8000, LIMITS)


@pytest.mark.parametrize("samples", [4000, 80000])
def test_audio_at_the_limits_is_kept(samples):
    checks.check_duration(samples, 8000, LIMITS)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "empty"), ("  ", "empty"), ("one <st> two", "reserved symbol <st>"), ("a " * 501, "1002 characters")],
)
def test_text_that_cannot_be_serialized_is_refused(text, message):
    with pytest.raises(BadItem, match=message):
        checks.check_text("text.lc.en", text, LIMITS)


def test_text_needs_a_frame_a_label_and_one_more_between_equal_labels():
    checks.check_fit("text", [1, 2, 3, 4, 5], 3200, 8000, LIMITS)  # 0.4 s are 5 frames of 80 ms
    with pytest.raises(BadItem, match=r"5 labels need 6 frames and 0\.40 s of audio give 5"):
        checks.check_fit("text", [1, 2, 2, 4, 5], 3200, 8000, LIMITS)


@pytest.mark.parametrize("value", ["-", "", "0-0 2-1", "0-0 1-2", "0-x", "0-0 1", "-1-0", "0-" + "9" * 5000])
def test_links_that_do_not_fit_the_text_are_refused(value):
    with pytest.raises(BadItem):
        checks.check_alignment(value, 2, 2)


def test_links_inside_the_text_are_kept():
    checks.check_alignment("0-1 1-0", 2, 2)


@pytest.mark.parametrize(
    ("value", "good"), [("-", True), ("0.3 0.7", True), ("0.3", False), ("0.3 x", False), ("0.3 nan", False)]
)
def test_word_times_are_one_number_a_word_or_none(value, good):
    if good:
        checks.check_word_times(value, 2)
    else:
        with pytest.raises(BadItem):
            checks.check_word_times(value, 2)


def test_word_times_that_run_backwards_are_refused_and_equal_ones_are_not():
    checks.check_word_times("0.3 0.3 0.7", 3)
    with pytest.raises(BadItem, match=r"backwards: 0\.5 s after 0\.7 s"):
        checks.check_word_times("0.3 0.7 0.5", 3)
    with pytest.raises(BadItem, match=r"backwards: -0\.1 s"):
        checks.check_word_times("-0.1", 1)


def test_an_utterance_that_some_file_lacks_is_a_problem():
    problems = checks.missing_items({"wav.scp": {"a": "", "b": ""}, "text": {"a": "", "c": ""}})
    assert [(problem.utt_id, problem.reason, problem.kind) for problem in problems] == [
        ("b", "missing in text", "text-missing"),
        ("c", "missing in wav.scp", "keys-differ"),
    ]


def test_the_list_of_what_was_left_out_is_read_back(tmp_path):
    problems = [Problem("ä1", "zu kurz", "länger sprechen", "audio-short"), Problem("b", "x", "y", severity="warning")]
    checks.write_skipped(tmp_path, problems)
    assert list(checks.read_skipped(tmp_path)) == problems


def test_audio_that_two_sets_share_is_reported():
    notes = checks.check_leaks({"train": {"a": "x.wav", "b": "y.wav"}, "test": {"c": "y.wav"}, "valid": {"d": "z.wav"}})
    assert notes == ["train and test share 1 utterances (e.g. y.wav)"]


def test_a_speaker_whom_the_configuration_does_not_know_is_named():
    known = Limits(speakers=("<self>", "<other>"))
    checks.check_text("text.lc.en", "<self> one <other> two", known)
    with pytest.raises(BadItem, match="text.lc.en: <other1> speaks, and the speakers are <self>, <other>"):
        checks.check_text("text.lc.en", "<self> one <other1> two", known)
    checks.check_text("text.lc.en", "<other1> two", Limits())  # a word as any other
