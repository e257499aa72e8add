import math
import random
import subprocess
import sys

import numpy as np
import pytest

from espnet_jst.errors import DataError
from espnet_jst.evaluation import latency_metrics
from espnet_jst.evaluation.latency import finish_times, percentile, wall_clock_delays
from tests.reference import latency as slow

FIRST = ([640, 1280, 1920, 2560, 3000], 3000, 4)
SECOND = ([640, 1280, 1920, 2560, 3200, 3840, 4200], 4200, 6)


def test_the_published_fixture_is_met_to_the_digit():
    rows = [latency_metrics(*FIRST), latency_metrics(*SECOND)]
    means = {name: sum(row[name] for row in rows) / 2 for name in rows[0]}
    assert list(means) == ["AL", "LAAL", "DAL", "AP", "YAAL"]
    assert means["AL"] == pytest.approx(400.0, abs=1e-9)
    assert means["LAAL"] == pytest.approx(700.0, abs=1e-9)
    assert round(means["DAL"], 3) == 733.143
    assert round(means["AP"], 4) == 0.7417
    assert means["YAAL"] == pytest.approx(720.0, abs=1e-9)


def test_random_utterances_agree_with_the_formulas_in_fractions():
    rng = random.Random(0)
    for _ in range(500):
        source, n, length = rng.randrange(100, 9000), rng.randrange(1, 12), rng.randrange(1, 12)
        delays = sorted(rng.randrange(0, 1 + int(1.3 * source)) for _ in range(n))
        got = latency_metrics(delays, source, length)
        longer = max(n, length)
        assert got["AL"] == pytest.approx(float(slow.average_lagging(delays, source, length)), rel=1e-9, abs=1e-6)
        assert got["LAAL"] == pytest.approx(float(slow.average_lagging(delays, source, longer)), rel=1e-9, abs=1e-6)
        assert got["DAL"] == pytest.approx(float(slow.differentiable_average_lagging(delays, source)), rel=1e-9)
        assert got["AP"] == pytest.approx(float(slow.average_proportion(delays, source, length)), rel=1e-9)
        expected = slow.yaal(delays, source, longer)
        assert math.isnan(got["YAAL"]) if expected is None else got["YAAL"] == pytest.approx(float(expected), abs=1e-6)


def test_a_first_word_after_the_audio_gives_its_own_delay_and_no_yaal():
    got = latency_metrics([3100.0, 3200.0], 3000.0, 2)
    assert got["AL"] == got["LAAL"] == 3100.0
    assert math.isnan(got["YAAL"])


def test_a_first_word_exactly_at_the_end_is_skipped_by_yaal():
    assert math.isnan(latency_metrics([3000.0], 3000.0, 2)["YAAL"])


def test_nothing_written_leaves_every_metric_undefined():
    assert all(math.isnan(value) for value in latency_metrics([], 1000.0, 3).values())


def test_an_empty_reference_leaves_al_and_ap_undefined_and_the_others_finite():
    got = latency_metrics([500.0], 1000.0, 0)
    assert math.isnan(got["AL"]) and math.isnan(got["AP"])
    assert got["LAAL"] == got["DAL"] == got["YAAL"] == 500.0


@pytest.mark.parametrize(
    ("delays", "source", "length", "named"),
    [
        ([1.0], 0.0, 1, "source_ms"),
        ([1.0], math.nan, 1, "source_ms"),
        ([1.0], 9.0, -1, "reference_length"),
        ([1.0, math.nan], 9.0, 1, "delay 1"),
        ([-1.0], 9.0, 1, "delay 0"),
    ],
)
def test_impossible_values_are_refused_by_name(delays, source, length, named):
    with pytest.raises(DataError, match=named):
        latency_metrics(delays, source, length)


def test_a_slow_chunk_delays_the_chunks_behind_it():
    assert finish_times([(1.0, 0.5), (2.0, 1.5), (3.0, 0.25)]) == [1.5, 3.5, 3.75]


def test_backlog_agrees_with_a_simulated_queue():
    rng = random.Random(1)
    for _ in range(50):
        arrivals = sorted(rng.randrange(1, 60) for _ in range(8))
        chunks = [(arrival, rng.randrange(0, 15)) for arrival in arrivals]
        assert finish_times(chunks) == slow.finish_times(chunks, 1)


def test_a_word_waits_for_the_chunk_that_showed_it():
    chunks = [(0.64, 0.1), (1.28, 0.9), (1.92, 0.1)]
    assert wall_clock_delays([0.64, 1.28, 1.92], chunks) == pytest.approx([0.74, 2.18, 2.28])


def test_of_two_chunks_at_one_audio_time_the_later_counts():
    assert wall_clock_delays([1.0], [(1.0, 0.5), (1.0, 0.25)]) == [1.75]


def test_words_without_chunks_are_an_error():
    with pytest.raises(DataError, match="no chunks"):
        wall_clock_delays([1.0], [])


def test_percentiles_are_those_of_numpy():
    values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    for percent in (0, 10, 50, 90, 100):
        assert percentile(values, percent) == pytest.approx(np.percentile(values, percent))
    assert math.isnan(percentile([], 50))


def test_importing_the_package_and_measuring_latency_loads_no_heavy_library():
    code = (
        "import sys; from espnet_jst.evaluation import latency_metrics; latency_metrics([1.0], 2.0, 1);"
        "print([m for m in ('torch', 'numpy', 'matplotlib', 'sacrebleu', 'jiwer', 'espnet2') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
