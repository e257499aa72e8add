import math

import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation.corpus import TimedHypothesis, corpus_latency, lane_gaps, summary


def item(delays, source=3000.0, length=4, **keywords):
    return TimedHypothesis(delays_ms=delays, source_ms=source, reference_length=length, **keywords)


def test_the_published_fixture_as_a_corpus():
    found = corpus_latency(
        [item([640, 1280, 1920, 2560, 3000]), item([640, 1280, 1920, 2560, 3200, 3840, 4200], 4200.0, 6)]
    )
    assert (found["AL"], found["LAAL"], found["YAAL"], found["StartOffset"]) == pytest.approx((400, 700, 720, 640))
    assert (round(found["DAL"], 3), round(found["AP"], 4)) == (733.143, 0.7417)
    assert found["length_ratio"] == 12 / 10
    assert found["LTL_P50"] == 0.0


def test_what_a_mean_leaves_out_is_counted():
    found = corpus_latency([item([]), item([3000.0]), item([1000.0, 2000.0]), item([500.0], length=0)])
    assert found["utterances"] == 4 and found["empty"] == 1
    assert found["skipped"] == {"AL": 2, "LAAL": 1, "DAL": 1, "AP": 2, "YAAL": 2}
    assert found["YAAL"] == pytest.approx(((1000 + 2000 - 750) / 2 + 500) / 2)


def test_first_and_last_token_latency_are_measured_from_speech_start_and_audio_end():
    items = [item([1000.0, 2900.0], speech_start_ms=400.0), item([2000.0, 3100.0]), item([])]
    found = corpus_latency(items)
    assert (found["FTL_P50"], found["LTL_P50"]) == (1300.0, 0.0)
    assert (found["FTL_P90"], found["LTL_P90"]) == pytest.approx((1860.0, 80.0))


def test_computation_aware_values_need_every_utterance():
    timed = item([1000.0], wall_clock_ms=[1500.0], compute_ms=600.0)
    assert corpus_latency([timed])["LAAL_CA"] == 1500.0
    assert corpus_latency([timed])["RTF"] == pytest.approx(0.2)
    assert "LAAL_CA" not in corpus_latency([timed, item([1000.0])])
    assert math.isnan(corpus_latency([item([1000.0])])["RTF"])


def test_a_corpus_of_nothing_is_an_error():
    with pytest.raises(DataError, match=r"words\.jsonl"):
        corpus_latency([])


def test_a_gap_needs_a_target_word_and_all_its_source_words():
    links = [(0, 1), (2, 1), (1, 0), (3, 2)]
    assert lane_gaps(links, {0: 0.5, 2: 1.0, 3: 2.0}, {0: 1.0, 1: 1.25, 2: 2.0}) == [0.25, 0.0]


def test_a_summary_of_nothing_is_undefined_and_says_so():
    found = summary([])
    assert found["words"] == 0 and math.isnan(found["mean"]) and math.isnan(found["P90"])
