"""How many samples a chunk needs."""

from __future__ import annotations

import torch

from espnet_jst.inference.schedule import chunk_schedule
from tests.inference import tiny


def test_a_chunk_comes_with_its_last_sample_and_not_before() -> None:
    model, _ = tiny.tiny_model(tiny.config(tiny.SERIALIZED))
    schedule = chunk_schedule(model, 0.64, None)
    # 8 frames of 80 ms, and what the last 25 ms window reaches beyond its 10 ms hop.
    assert (schedule.first_samples, schedule.period_samples) == (5120 + 120, 5120)
    for chunk in range(3):
        for samples, complete in ((schedule.samples(chunk) - 1, chunk), (schedule.samples(chunk), chunk + 1)):
            state = model.init_state(1, schedule.context)
            taps, _ = model.step(tiny.packet(torch.zeros(1, samples)), state)
            assert taps["encoder"].x.size(1) == 8 * complete
            assert schedule.complete_chunks(samples) == complete


def test_a_chunk_of_a_zipformer_comes_with_what_its_front_end_hears_beyond_it() -> None:
    model, _ = tiny.tiny_model(tiny.config(tiny.SERIALIZED, zipformer=True))
    schedule = chunk_schedule(model, 0.64, None)
    # Thirteen frames of 10 ms more: seven of the convolutions, six of the layer after them.
    assert (schedule.first_samples, schedule.period_samples) == (5120 + 13 * 80 + 120, 5120)
    for samples, frames in ((schedule.samples(1) - 1, 8), (schedule.samples(1), 16)):
        state = model.init_state(1, schedule.context)
        taps, _ = model.step(tiny.packet(torch.zeros(1, samples)), state)
        assert taps["encoder"].x.size(1) == frames


def test_an_upper_encoder_with_a_longer_chunk_waits_for_it() -> None:
    model, _ = tiny.tiny_model(tiny.config(tiny.TWO_HEADS, two_encoders=True))
    schedule = chunk_schedule(model, None, None)
    state = model.init_state(1, schedule.context)
    taps, _ = model.step(tiny.packet(torch.zeros(1, schedule.samples(2))), state)
    for name in ("encoder", "hier_encoder"):
        assert taps[name].x.size(1) == schedule.frames(name, 2)
    assert taps["hier_encoder"].x.size(1) == 8 and taps["encoder"].x.size(1) == 12


def test_the_whole_utterance_has_no_chunks() -> None:
    model, _ = tiny.tiny_model(tiny.config(tiny.SERIALIZED))
    for chunk_s in (0, float("inf")):
        schedule = chunk_schedule(model, chunk_s, None)
        assert schedule.chunk_frames == 0 and schedule.complete_chunks(10**9) == 0
