"""Chains that the coming systems are: each a configuration, from samples to words."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from espnet_jst.errors import ConfigError
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.session import advance_together
from espnet_jst.text.words import Word
from tests.inference import tiny

CHUNK_S = 0.32
ON_BOTH = {
    "streaming": {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}},
    "ctc": {"kind": "ctc", "lanes": ["transcript"], "reads": "encoder.1"},
    "offline": {"kind": "transducer", "lanes": ["transcript"], "reads": "hier_encoder", "predictor_conf": {"size": 24}},
}


def full_context_above(heads: dict) -> dict:
    """A second encoder that hears the whole utterance above a streaming one, as in a multi-decoder."""
    conf = tiny.config(heads, two_encoders=True)
    conf["hier_encoder_conf"] |= {"chunk_frames": 0, "train_chunk_frames": [0]}
    return conf


def two_rates(heads: dict) -> dict:
    """The upper encoder reads a layer at 80 ms, the heads of the lower one its top at 160 ms, as in HENT-SRT."""
    conf = tiny.config(heads, two_encoders=True)
    conf["encoder_conf"] |= {"output_subsampling": 2, "chunk_frames": 2, "train_chunk_frames": [2, 4]}
    conf["hier_encoder_conf"] |= {"chunk_frames": 4, "train_chunk_frames": [8, 16]}
    conf["model_conf"]["hier_reads"] = "encoder.1"
    return conf


def streamed(speech2text: Speech2Text, speech: np.ndarray, packet: int = 700) -> tuple[list[Word], list[Word]]:
    """Words shown while the speech is heard, and those of the end."""
    session, early = speech2text.session(), []
    for start in range(0, len(speech), packet):
        early += session.push(speech[start : start + packet])
    return early, session.finish()


def plain(words: list[Word]) -> list[tuple]:
    return sorted((w.lane, w.text, w.start_s, w.end_s, w.emission_s) for w in words)


@pytest.mark.parametrize("chunk_s", [None, 0.16, 0.64])
def test_full_context_above_a_streaming_encoder_stays_full_in_a_session(chunk_s: float | None) -> None:
    speech2text = tiny.speech2text(full_context_above(tiny.TWO_HEADS), chunk_s=chunk_s)
    assert speech2text.schedule.context.encoders["hier_encoder"].chunk_frames == 0
    speech = tiny.speech(6.0, seed=3)
    early, late = streamed(speech2text, speech)
    assert {word.lane for word in early} == {"transcript"} and min(word.emission_s for word in early) < 2.0
    translation = [word for word in late if word.lane == "translation"]
    assert translation and all(word.emission_s == 6.0 for word in translation)
    # The same words as a whole: a whole with this chunk below and full context above.
    [(_, _, _, hypothesis)] = speech2text(speech)
    assert plain(hypothesis.words) == plain(early + late)


def test_a_second_pass_replaces_the_words_of_the_stream_at_its_end() -> None:
    conf = full_context_above(ON_BOTH)
    conf["model_conf"]["searches"] = {"two_pass": {"heads": ["offline"], "second_pass_of": "streaming"}}
    speech, speech2text = tiny.speech(6.0, seed=3), tiny.speech2text(conf, revise=True)
    session = speech2text.session()
    shown = session.push(speech)
    assert shown and not any(word.final for word in shown)
    final = session.finish()
    assert final and all(word.final for word in final) and session.words == final
    assert set(session.withdrawn) == set(shown)
    # Neither pass is mixed with the other: each alone says the same.
    for head, words in (("offline", final), ("streaming", None)):
        alone = tiny.speech2text(conf, search_heads=[head])(speech)[0][3].words
        if words is not None:
            assert [w.text for w in alone] == [w.text for w in words]
        else:
            assert [w.text for w in alone][: len(shown)] == [w.text for w in shown]


def test_two_heads_on_one_lane_without_a_second_pass_are_refused() -> None:
    with pytest.raises(ConfigError, match="'streaming' and 'offline' would both write the lane transcript"):
        tiny.speech2text(full_context_above(ON_BOTH))


@pytest.mark.parametrize("chunk_s", [None, 0.32])
def test_an_encoder_with_two_rates_feeds_heads_and_another_encoder(chunk_s: float | None) -> None:
    speech2text = tiny.speech2text(two_rates(tiny.TWO_HEADS), chunk_s=chunk_s)
    model = speech2text.st_model
    shifts_s = {name: round(shift_s, 6) for name, shift_s in model.chain.shifts_s.items()}
    assert shifts_s == {"encoder": 0.16, "encoder.1": 0.08, "hier_encoder": 0.08}
    speech = tiny.speech(5.0, seed=1)
    early, late = streamed(speech2text, speech)
    assert {word.lane for word in early} == {"transcript", "translation"}
    assert plain(speech2text(speech)[0][3].words) == plain(early + late)
    batch = {"speech": torch.from_numpy(speech)[None], "speech_lengths": torch.tensor([len(speech)])}
    for name in model.specs:
        batch |= {f"target_{name}": torch.tensor([[4, 5]]), f"target_{name}_lengths": torch.tensor([2])}
    model.train()
    try:
        loss = model(**batch)[0]
    finally:
        model.eval()
    gradients = torch.autograd.grad(loss, [model.encoder.output.weight, model.hier_encoder.input.weight])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("system", ["serialized", "two encoders", "full context above", "two rates", "zipformers"])
def test_streams_of_any_age_in_one_batch_hear_what_each_hears_alone(system: str, beam_size: int) -> None:
    conf = {
        "serialized": tiny.config(tiny.SERIALIZED),
        "two encoders": tiny.config(tiny.TWO_HEADS, two_encoders=True),
        "full context above": full_context_above(tiny.TWO_HEADS),
        "two rates": two_rates(tiny.TWO_HEADS),
        "zipformers": tiny.config(tiny.TWO_HEADS, two_encoders=True, zipformer=True),
    }[system]
    speech2text, rng = tiny.speech2text(conf, beam_size=beam_size), random.Random(beam_size)
    speeches = [tiny.speech(seconds, seed=seed) for seed, seconds in enumerate((4.3, 0.7, 6.1, 2.9))]
    starts = [0, 3, 1, 7]  # the round in which each begins
    sessions = [speech2text.session() for _ in speeches]
    heard, shown = [0] * len(speeches), [[] for _ in speeches]
    together = 0
    for turn in range(1000):
        there = [b for b, begin in enumerate(starts) if begin <= turn and heard[b] < len(speeches[b])]
        if not there and turn > max(starts):
            break
        for b in there:
            count = min(len(speeches[b]) - heard[b], rng.choice([0, 900, 2560, 4000]))
            sessions[b].put(speeches[b][heard[b] : heard[b] + count])
            heard[b] += count
            if heard[b] == len(speeches[b]):
                sessions[b].end()
        if there:
            together = max(together, len(there))
            for b, update in zip(there, advance_together([sessions[b] for b in there]), strict=True):
                shown[b] += update.new
    assert together >= 3
    for speech, session, words in zip(speeches, sessions, shown, strict=True):
        early, late = streamed(speech2text, speech)
        assert words == session.words and plain(words) == plain(early + late)
    assert sum(map(bool, shown)) >= 3  # nothing may be said in the shortest


def test_a_frontend_that_is_trained_gets_gradients_through_all_of_it() -> None:
    conf = tiny.config(tiny.SERIALIZED)
    conf["frontend_conf"]["trainable"] = True
    model = tiny.tiny_model(conf)[0]
    speech = torch.from_numpy(tiny.speech(2.0))[None]
    batch = {"speech": speech, "speech_lengths": torch.tensor([speech.size(1)])}
    for name in model.specs:
        batch |= {f"target_{name}": torch.tensor([[4, 3]]), f"target_{name}_lengths": torch.tensor([2])}
    [gradient] = torch.autograd.grad(model(**batch)[0], [model.frontend.bank])
    assert gradient.isfinite().all() and (gradient != 0).any(0).all()
    fixed = tiny.tiny_model(tiny.config(tiny.SERIALIZED))[0]
    assert not any(name.startswith("frontend") for name, _ in fixed.named_parameters())
