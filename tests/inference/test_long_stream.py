"""A stream may last: memory and time for a chunk stay what they were."""

from __future__ import annotations

import gc
import statistics

import pytest

from espnet_jst.inference import Speech2Text
from tests.inference import tiny


def resident_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * 4096 / 2**20


@pytest.mark.slow
def test_a_30_minute_stream_keeps_memory_and_speed() -> None:
    speech2text = Speech2Text.from_model(*tiny.tiny_model(tiny.config(tiny.SERIALIZED), rate=0.1), chunk_s=1.28)
    session, minute = speech2text.session(16000), tiny.speech(60.0, fs=16000)
    resident = []
    for _ in range(30):
        session.push(minute)
        gc.collect()
        resident.append(resident_mib())
    words = session.words + session.finish()
    assert len(words) > 100 and words[-1].emission_s > 1700
    assert resident[-1] - resident[4] <= 20
    elapsed = [chunk["elapsed_s"] for chunk in session.compute]
    # Time that grew with the stream would be thirty times as much; a shared machine may be half as fast for a while.
    assert statistics.median(elapsed[-200:]) <= 4 * statistics.median(elapsed[50:250])
