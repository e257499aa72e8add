"""Models on each frontend: trained, and heard in whole and as a stream, from samples to words and their times."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
import torch

from espnet_jst.inference.schedule import chunk_schedule
from tests.inference import tiny

BEYOND = {"log_mel": 120, "kaldi_fbank": 60, "nemo_mel": 20}  # samples of a 25 ms window after its 10 ms hop, at 8 kHz


@pytest.fixture(params=BEYOND)
def conf(request) -> dict:
    return {**tiny.config(tiny.TWO_HEADS, two_encoders=True), "frontend": request.param}


def test_a_model_takes_two_training_steps(conf: dict) -> None:
    model = copy.deepcopy(tiny.tiny_model(conf)[0]).train()
    speech = torch.from_numpy(np.stack([tiny.speech(2.0, seed=seed) for seed in range(2)]))
    batch = {"speech": speech, "speech_lengths": torch.tensor([16000, 11000])}
    for name in model.specs:
        batch |= {f"target_{name}": torch.tensor([[4, 3], [2, 2]]), f"target_{name}_lengths": torch.tensor([2, 1])}
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-3), []
    for _ in range(2):
        loss = model(**batch)[0]
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


@torch.no_grad()
def test_taps_of_a_stream_are_those_of_the_chunk_mask(conf: dict) -> None:
    model = tiny.tiny_model(conf)[0]
    context, rng = model.chain.given(0.32), np.random.default_rng(0)
    for samples in (1, 90, 4001, 12345):
        speech = torch.from_numpy(tiny.speech(samples / 8000))[None]
        whole = model.encode(speech, torch.tensor([samples]), context)
        bounds = sorted({0, samples, *rng.integers(0, samples, 9).tolist()})
        state, parts = model.init_state(1, context), {name: [] for name in whole}
        for first, end in itertools.pairwise(bounds):
            taps, state = model.step(tiny.packet(speech[:, first:end]), state, [end == samples])
            for name, tap in taps.items():
                parts[name].append(tap.x)
        for name, tap in whole.items():
            torch.testing.assert_close(torch.cat(parts[name], 1), tap.x, atol=1e-5, rtol=0)


def test_a_session_writes_the_words_of_the_whole_at_their_times(conf: dict) -> None:
    speech2text, speech = tiny.speech2text(conf), tiny.speech(4.0, seed=1)
    whole = speech2text(speech)[0][3].words
    session, shown = speech2text.session(), []
    for start in range(0, len(speech), 777):
        shown += session.push(speech[start : start + 777])
    words = shown + session.finish()
    assert shown and [(w.text, w.lane, w.start_s, w.end_s, w.emission_s) for w in words] == [
        (w.text, w.lane, w.start_s, w.end_s, w.emission_s) for w in whole
    ]
    assert all(0.0 <= w.start_s <= w.end_s <= w.emission_s for w in words)
    # Frames begin with their windows: a translation's times are those of the frames that wrote it.
    begin_s, frame_s = speech2text.st_model.frontend.begin_s, 0.08
    inside = [w.start_s for w in words if w.lane == "translation" and w.start_s > 0]
    assert inside and all(abs((s - begin_s) / frame_s - round((s - begin_s) / frame_s)) < 2e-3 for s in inside)


def test_a_chunk_waits_for_the_end_of_its_last_window_and_no_longer(conf: dict) -> None:
    schedule = chunk_schedule(tiny.tiny_model(conf)[0], 0.64, None)
    assert (schedule.first_samples, schedule.period_samples) == (5120 + BEYOND[conf["frontend"]], 5120)
