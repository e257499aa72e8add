"""One driver: streams of any age share a batch, and a second pass replaces the words of the first."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from espnet_jst.errors import ConfigError, DataError, JSTError, StepError
from espnet_jst.inference import Session, Speech2Text
from espnet_jst.inference.decoder import DecoderState
from espnet_jst.inference.schedule import chunk_schedule
from espnet_jst.inference.session import advance_together
from espnet_jst.inference.word_stream import Update, WordStream
from espnet_jst.taps import Tap
from espnet_jst.text.words import Word
from tests.inference import tiny

SYSTEMS = {
    "serialized, greedy": (tiny.SERIALIZED, {}, 1),
    "serialized, beam": (tiny.SERIALIZED, {}, 3),
    "two encoders, greedy": (tiny.TWO_HEADS, {"two_encoders": True}, 1),
    "two encoders, beam": (tiny.TWO_HEADS, {"two_encoders": True}, 3),
    "two zipformers, greedy": (tiny.TWO_HEADS, {"two_encoders": True, "zipformer": True}, 1),
}
TWO_PASSES = {"two_pass": {"heads": ["offline"], "second_pass_of": "streaming"}}


def system(name: str) -> Speech2Text:
    heads, encoders, beam_size = SYSTEMS[name]
    return tiny.speech2text(tiny.config(heads, **encoders), beam_size=beam_size, max_symbols=4)


def two_passes(*, upper_chunk: int, **options) -> Speech2Text:
    head = {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}}
    heads = {"streaming": head, "ctc": tiny.TWO_HEADS["ctc"], "offline": {**head, "reads": "hier_encoder"}}
    conf = tiny.config(heads, two_encoders=True)
    conf["hier_encoder_conf"]["chunk_frames"] = upper_chunk
    conf["model_conf"]["searches"] = TWO_PASSES
    return tiny.speech2text(conf, max_symbols=4, **options)


def alike(words: list[Word], others: list[Word]) -> None:
    """Equal but for the last digits of probabilities, which depend on what shares a batch."""
    assert [w.as_dict() | {"confidence": 0} for w in words] == [w.as_dict() | {"confidence": 0} for w in others]
    assert [w.confidence for w in words] == pytest.approx([w.confidence for w in others], abs=2e-4)


@pytest.mark.parametrize("name", SYSTEMS)
def test_three_streams_of_different_age_in_one_batch_show_what_each_shows_alone(name: str) -> None:
    """The first is ahead, the second stands still for a while, the third comes later and leaves before the first."""
    speech2text, count = system(name), 0
    audio = [tiny.speech(seconds, seed=seed) for seed, seconds in enumerate((2.9, 2.2, 1.1), start=1)]
    alone = [run(speech2text.session(), samples) for samples in audio]
    sessions, rest = [speech2text.session() for _ in audio], list(audio)
    packets = [(0.9, 0.3, 0.0), (0.4, 0.0, 0.0), (0.7, 0.0, 0.6), (0.2, 0.0, 0.5), (0.7, 1.9, 0.0)]
    shown: list[list[Word]] = [[], [], []]
    for seconds in packets:
        for i, session in enumerate(sessions):
            if len(rest[i]):
                packet, rest[i] = np.split(rest[i], [round(8000 * seconds[i])])
                session.put(packet)
            if not len(rest[i]):
                session.end()
        for i, update in enumerate(advance_together(sessions)):
            shown[i] += update.new
    for i, words in enumerate(alone):
        alike(shown[i], words)
        alike(sessions[i].words, words)
        count += len(words)
    assert count > 8


def run(session: Session, samples: np.ndarray) -> list[Word]:
    return session.push(samples) + session.finish()


@pytest.mark.parametrize("upper_chunk", [8, 0])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_words_of_a_second_pass_are_those_that_stand(upper_chunk: int, beam_size: int) -> None:
    speech2text = two_passes(upper_chunk=upper_chunk, beam_size=beam_size, revise=True)
    audio = tiny.speech(3.0, seed=1)
    model = speech2text.st_model, speech2text.st_train_args
    options = {"beam_size": beam_size, "max_symbols": 4}
    first, second = (
        Speech2Text.from_model(*model, search_heads=[head], **options)(audio)[0][3].words
        for head in ("streaming", "offline")
    )
    whole = speech2text(audio)[0][3].words
    assert [w.text for w in whole] == [w.text for w in second] != [w.text for w in first] and all(
        w.final for w in whole
    )
    session, shown, withdrawn = speech2text.session(), [], []
    for start in range(0, len(audio), 1000):
        new = session.push(audio[start : start + 1000])
        assert all(word in shown for word in session.withdrawn) and all(word in session.words for word in new)
        shown += new
        withdrawn += session.withdrawn
    early = [word for word in shown if not word.final]
    assert len(early) > 1
    assert [w.text for w in early] == [w.text for w in first][: len(early)]
    assert (upper_chunk == 0) == all(not word.final for word in shown)
    shown += session.finish()
    withdrawn += session.withdrawn
    alike(session.words, whole)
    assert [word for word in shown if word not in withdrawn] == session.words
    assert withdrawn == [word for word in shown if not word.final]


@pytest.mark.parametrize("upper_chunk", [8, 0])
def test_a_second_pass_that_may_not_revise_is_a_result_beside_the_stream(upper_chunk: int) -> None:
    speech2text, audio = two_passes(upper_chunk=upper_chunk), tiny.speech(3.0, seed=1)
    model, options = (speech2text.st_model, speech2text.st_train_args), {"max_symbols": 4}
    first, second = (
        Speech2Text.from_model(*model, search_heads=[head], **options) for head in ("streaming", "offline")
    )
    session, alone = speech2text.session(), first.session()
    for start in range(0, len(audio), 1000):
        new = session.push(audio[start : start + 1000])
        assert session.withdrawn == []
        alike(new, alone.push(audio[start : start + 1000]))
    alike(session.finish(), alone.finish())
    alike(session.words, alone.words)
    assert session.withdrawn == [] and all(word.final for word in session.words)
    heard = second(audio)[0][3].words
    assert [w.text for w in session.result] == [w.text for w in heard] != [w.text for w in session.words]
    alike(speech2text(audio)[0][3].words, session.result)
    text, _, token_int, hyp = speech2text.stream_result(session)
    assert text == first(audio)[0][0] and token_int == first(audio)[0][2]
    assert hyp.second_pass == {"transcript": session.result}


def test_whole_utterances_show_the_second_pass_alone_and_revising_nothing_is_refused() -> None:
    session = two_passes(upper_chunk=0, chunk_s=0).session()
    words = session.push(tiny.speech(3.0, seed=1)) + session.finish()
    assert words == session.words == session.result and session.withdrawn == []
    with pytest.raises(ConfigError, match="revise: no search is a second pass"):
        two_passes(upper_chunk=0, revise=True, search_heads=["streaming"])


def test_a_state_can_be_kept_and_gone_on_from_twice() -> None:
    speech2text = system("serialized, beam")
    session, audio = speech2text.session(), tiny.speech(2.0, seed=3)
    session.push(audio[:8000])
    twin = copy.deepcopy(session)
    alike(run(session, audio[8000:]), run(twin, audio[8000:]))


def test_a_row_that_has_ended_shows_nothing_more_whatever_comes() -> None:
    decoder = system("serialized, beam").decoder
    taps = frames(decoder, 2, 12)
    [update, _], state = decoder.advance(taps, [1.0, 1.0], decoder.init_state(2), [True, False])
    assert update.new
    before = [(list(state.words(0)), state.nbest[0])]
    [after, other], state = decoder.advance(frames(decoder, 2, 12, seed=1), [2.0, 2.0], state, [True, True])
    assert after.new == [] and other.new and [(state.words(0), state.nbest[0])] == before


def frames(decoder, rows: int, count: int, seed: int = 0) -> dict[str, Tap]:
    x = torch.randn(rows, count, 32, generator=torch.Generator().manual_seed(seed))
    return {name: Tap(x, torch.tensor([count] * rows), 0.08) for name in decoder.reads}


def test_what_is_not_a_number_is_refused_with_the_place_of_its_stream() -> None:
    decoder = system("serialized, greedy").decoder
    taps = frames(decoder, 3, 4)
    taps["encoder"].x[2, 1, 0] = torch.nan
    with pytest.raises(DataError, match="not finite") as caught:
        decoder.advance(taps, [1.0] * 3, decoder.init_state(3), [False] * 3)
    assert caught.value.index == 2
    padded = {name: tap._replace(lengths=torch.tensor([4, 4, 1])) for name, tap in taps.items()}
    decoder.advance(padded, [1.0] * 3, decoder.init_state(3), [False] * 3)


def test_a_session_that_cannot_go_on_does_not_stop_the_others() -> None:
    speech2text = system("serialized, greedy")
    audio = [tiny.speech(1.5, seed=seed) for seed in range(3)]
    sessions = [speech2text.session() for _ in audio]
    for session, samples in zip(sessions, audio):
        session.put(samples)
    sessions[1].put(np.full(9000, np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="not finite.*the session ends here") as caught:
        advance_together(sessions)
    assert caught.value.index == 1
    for i in (0, 2):
        sessions[i].finish()
        alike(sessions[i].words, run(speech2text.session(), audio[i]))
    with pytest.raises(JSTError, match="finished"):
        sessions[1].push(audio[1])
    assert sessions[1].finish() == []


def test_sessions_of_other_settings_are_not_heard_together() -> None:
    sessions = [system("serialized, greedy").session(), system("serialized, beam").session()]
    with pytest.raises(JSTError, match="different models or settings"):
        advance_together(sessions)
    assert advance_together([]) == []


def test_a_schedule_that_was_changed_between_or_a_session_that_stands_twice_loses_no_samples() -> None:
    speech2text, audio = system("serialized, greedy"), tiny.speech(1.5, seed=3)
    session, schedule = speech2text.session(), speech2text.schedule
    other = Session(speech2text.st_model, chunk_schedule(speech2text.st_model, 0, None), speech2text.decoder)
    session.put(audio)
    for sessions in ([session, other], [session, session]):
        with pytest.raises(JSTError, match="cannot be heard together"):
            advance_together(sessions)
    assert other._schedule != schedule
    session.finish()
    alike(session.words, run(speech2text.session(), audio))


def test_of_two_sessions_that_cannot_go_on_both_are_told() -> None:
    speech2text = system("serialized, greedy")
    sessions = [speech2text.session() for _ in range(3)]
    for session in (sessions[0], sessions[2]):
        session.put(np.full(9000, np.nan, dtype=np.float32))
    sessions[1].put(tiny.speech(1.5, seed=4))
    for place in (0, 2):
        with pytest.raises(DataError, match="the session ends here") as caught:
            advance_together(sessions)
        assert caught.value.index == place
    advance_together(sessions)
    sessions[1].finish()
    alike(sessions[1].words, run(speech2text.session(), tiny.speech(1.5, seed=4)))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_fault_in_the_middle_of_a_step_ends_the_session_that_it_is_of(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alignment of a session's words fails when those of the sessions before it have gone on already."""
    speech2text = system("serialized, greedy")
    audio = [tiny.speech(2.5 + seed, seed=seed) for seed in range(3)]
    sessions = [speech2text.session() for _ in audio]
    clocks: list[object] = []

    def push(stream: WordStream, emissions, log_probs, heard_s, *, last=False):  # type: ignore[no-untyped-def]
        if heard_s > 1.0 and stream.words and stream.words == sessions[place].words:
            clocks.append(stream)
            raise RuntimeError("no such frame")
        return whole(stream, emissions, log_probs, heard_s, last=last)

    whole = WordStream.push
    monkeypatch.setattr(WordStream, "push", push)
    for session, samples in zip(sessions, audio):
        session.put(samples)
        session.end()
    with pytest.raises(StepError, match=r"s: RuntimeError: no such frame; the session ends here") as caught:
        advance_together(sessions)
    assert caught.value.index == place and str(caught.value.__cause__) == "no such frame"
    assert len(clocks) == 2, "once among the others, and once alone"
    assert advance_together(sessions) == [Update([], [])] * 3
    monkeypatch.undo()
    for i in {0, 1, 2} - {place}:
        alike(sessions[i].words, run(speech2text.session(), audio[i]))
    assert sessions[place].words and sessions[place].duration_s == len(audio[place]) / 8000


def test_states_of_single_streams_can_be_put_together_and_taken_apart() -> None:
    decoder = system("serialized, beam").decoder
    taps = frames(decoder, 3, 10)
    _, whole = decoder.advance(taps, [1.0] * 3, decoder.init_state(3), [False] * 3)
    singles = []
    for row in range(3):
        own = {name: Tap(tap.x[row : row + 1], tap.lengths[row : row + 1], tap.shift_s) for name, tap in taps.items()}
        singles.append(decoder.advance(own, [1.0], decoder.init_state(1), [False])[1])
    together = DecoderState.concat([singles[2], whole.select(torch.tensor([1, 0]))])
    _, ended = decoder.advance(frames(decoder, 3, 5, seed=2), [2.0] * 3, together, [True] * 3)
    _, expected = decoder.advance(
        frames(decoder, 3, 5, seed=2), [2.0] * 3, whole.select(torch.tensor([2, 1, 0])), [True] * 3
    )
    for row in range(3):
        alike(ended.words(row), expected.words(row))
