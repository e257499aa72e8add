"""Intervals hold the true value as often as they say; docs/scoring.md has the whole table."""

import pytest

from tests.evaluation.simulated_sets import POPULATIONS, coverage, false_alarms, lone_alarms

COUNTS = (5, 10, 20, 50, 200)
SPARSE = [(count, among) for among in (99, 200) for count in (5, 10, 20)]


@pytest.mark.parametrize("name", ["WER 30 %", "mean latency"])
def test_an_interval_over_ten_utterances_holds_the_value_of_all(name):
    assert coverage(POPULATIONS[name](), 10, sets=60) >= 0.9  # percentiles: 0.88 of very many


@pytest.mark.long
@pytest.mark.parametrize("name", POPULATIONS)
def test_intervals_cover(name):
    # The table's least figure, 91, less three standard errors of 150 sets.
    found = {count: coverage(POPULATIONS[name](), count, sets=150) for count in COUNTS}
    assert min(found.values()) >= 0.84 and sum(found.values()) / len(found) >= 0.91, found


@pytest.mark.long
@pytest.mark.parametrize("name", ["WER 10 %", "BLEU 60"])
def test_equally_good_systems_are_rarely_told_apart(name):
    found = {count: false_alarms(POPULATIONS[name](), count, sets=150) for count in COUNTS}
    assert max(found.values()) <= 0.1, found


@pytest.mark.long
@pytest.mark.parametrize("name", ["WER 30 %", "mean latency", "mean latency, long tail"])
def test_intervals_cover_where_few_of_many_utterances_weigh(name):
    found = {pair: coverage(POPULATIONS[name](), pair[0], among=pair[1], sets=150) for pair in SPARSE}
    assert min(found.values()) >= 0.84 and sum(found.values()) / len(found) >= 0.91, found


@pytest.mark.long
@pytest.mark.parametrize("alarms", [false_alarms, lone_alarms])
def test_equally_good_systems_are_rarely_told_apart_where_few_of_many_utterances_weigh(alarms):
    found = {pair: alarms(POPULATIONS["mean latency"](), pair[0], among=pair[1], sets=150) for pair in SPARSE}
    assert max(found.values()) <= 0.1 and sum(found.values()) / len(found) <= 0.07, found
