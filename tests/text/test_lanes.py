"""Lanes: the two that everybody has, and those that a configuration adds."""

from __future__ import annotations

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.text.lanes import LANES, Lane, in_order, parse_lanes


def test_transcript_and_translation_are_there_without_being_named():
    assert parse_lanes(None) == dict(LANES)
    assert [lane.data for lane in LANES.values()] == ["src_text", "text"]  # ESPnet's names
    assert [lane.headline for lane in LANES.values()] == ["WER", "BLEU"]


def test_a_further_lane_is_like_a_known_one_in_what_it_does_not_say():
    lanes = parse_lanes({"second": {"like": "transcript", "speaker": "B"}, "french": {"like": "translation"}})
    assert list(lanes) == ["transcript", "translation", "second", "french"]
    assert lanes["second"] == Lane(
        name="second", data="second", file="second", source=True, headline="WER", vocabulary="src", speaker="B"
    )
    assert lanes["french"].headline == LANES["translation"].headline


def test_a_known_lane_can_be_changed():
    lanes = parse_lanes({"transcript": {"language": "de", "headline": "CER"}})
    assert (lanes["transcript"].data, lanes["transcript"].language) == ("src_text", "de")
    assert (lanes["transcript"].file, lanes["transcript"].headline) == ("text", "CER")


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ([1], "give a mapping"),
        ({3: {}}, "3 cannot be a name"),
        ({"../b": {"like": "transcript"}}, "cannot be a name"),
        ({"b": "transcript"}, "lanes.b is 'transcript': it must be a mapping"),
        ({"b": {}}, "lanes.b: say whether it is like transcript or translation"),
        ({"b": {"like": ["transcript"]}}, r"lanes.b: like is .'transcript'.: give text"),
        ({"b": {"like": "transcript", "spekaer": "B"}}, "'spekaer' .did you mean 'speaker'"),
        ({"b": {"like": "transcript", "speaker": 2}}, "speaker is 2: give text"),
        ({"b": {"like": "transcript", "source": "yes"}}, "source is 'yes': give true or false"),
        ({"b": {"like": "transcript", "vocabulary": "source"}}, "vocabulary: 'source' is not one of src, tgt"),
        ({"b": {"like": "transcript", "data": "../secret"}}, "'../secret' cannot name a text"),
        ({"b": {"like": "transcript", "data": "alignment"}}, "not speech, alignment"),
        ({"b": {"like": "transcript", "data": "text"}}, "translation and b have the same data 'text'"),
    ],
)
def test_what_cannot_be_a_lane_is_one_message(conf, message):
    with pytest.raises(ConfigError, match=message):
        parse_lanes(conf)


def test_a_transcript_is_read_before_its_translation():
    assert in_order(["french", "translation", "transcript", "french"]) == ["transcript", "translation", "french"]
