"""A long recording needs no more memory than a short one, where the chunk is finite; else its cost is said first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from espnet_jst.data.signal import Remark
from espnet_jst.errors import DataError
from espnet_jst.inference import speech2text as module
from espnet_jst.inference.audio.recording import Recording
from espnet_jst.inference.long import free_bytes, memory_errors
from espnet_jst.inference.session import SampleQueue
from tests.inference import tiny


class Counted(Recording):
    """How many blocks were asked for before the one before was done with cannot be seen; how many were read can."""

    read = 0

    def blocks(self) -> Iterator[np.ndarray]:
        for block in super().blocks():
            self.read += 1
            yield block


@pytest.mark.parametrize(("beam_size", "nbest"), [(1, 1), (3, 2)])
def test_a_long_recording_has_the_words_and_scores_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, beam_size: int, nbest: int
) -> None:
    speech2text = tiny.speech2text(tiny.config(tiny.SERIALIZED), beam_size=beam_size, nbest=nbest, max_symbols=4)
    speech = tiny.speech(4.0, fs=16000, seed=3)
    whole = speech2text(speech, 16000)
    monkeypatch.setattr(module, "WHOLE_S", 1.0)
    monkeypatch.setattr(module, "decode_batch", None)  # is not asked
    for long in (speech2text(speech, 16000), speech2text.decode([(speech, 16000)])[0]):
        assert len(long) == nbest
        for (text, token, token_int, hyp), expected in zip(long, whole, strict=True):
            assert (text, token, token_int) == expected[:3]
            assert hyp.score == pytest.approx(expected[3].score, abs=1e-3)
            assert hyp.compute == [] and hyp.duration_s == 4.0
            times = [(word.text, word.start_s, word.emission_s) for word in hyp.words]
            assert times == [(word.text, word.start_s, word.emission_s) for word in expected[3].words]


def test_a_recording_that_is_heard_as_a_whole_is_refused_before_it_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speech2text = tiny.speech2text(tiny.config(tiny.SERIALIZED), chunk_s=0)
    with Counted(np.full(3600 * 8000, 0.1, dtype=np.float32), 8000) as recording:
        monkeypatch.setattr(module, "free_bytes", lambda: 2.0**29)
        with pytest.raises(DataError, match=r"hears a recording as a whole.* here, and 0.5 GiB are free; give"):
            speech2text.decode_recording(recording)
        assert 0 < recording.read < 0.5 * 3600 * 8000 / 2**16


def test_that_time_grows_with_the_square_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Remark] = []
    monkeypatch.setattr(module, "WHOLE_S", 0.5)
    monkeypatch.setattr(module, "COSTLY_S", 60.0)
    speech2text = tiny.speech2text(tiny.config(tiny.SERIALIZED), chunk_s=0)
    monkeypatch.setattr(speech2text, "decode", lambda utterances: [len(samples) for samples, *_ in utterances])
    speech = np.tile(tiny.speech(1.0), 100)
    with Recording(speech, 8000, notify=lambda name, remark: said.append(remark)) as recording:
        assert speech2text.decode_recording(recording) == len(speech)
    assert [remark.kind for remark in said] == ["audio-long"] and "squared" in said[0].reason


def test_the_end_of_memory_is_one_message() -> None:
    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")):
        with pytest.raises(DataError, match="40.0 minutes: not enough memory"), memory_errors(2400):
            raise error
    with pytest.raises(RuntimeError, match="size mismatch"), memory_errors(1):
        raise RuntimeError("size mismatch")
    free = free_bytes()
    assert free is None or free > 0


def test_what_waits_in_a_stream_is_never_copied() -> None:
    packet = np.arange(100_000, dtype=np.float32)
    queue = SampleQueue()
    queue.put(packet)
    for start in range(0, 99_000, 1000):
        np.testing.assert_array_equal(queue.take(1000), packet[start : start + 1000])
        assert np.shares_memory(queue._packets[0], packet)
    queue.put(packet[:0])
    queue.put(packet[:500])
    np.testing.assert_array_equal(queue.take(1200), np.concatenate([packet[-1000:], packet[:200]]))
    assert queue.samples == 300


def test_a_model_whose_output_is_not_finite_is_an_error_not_words() -> None:
    speech2text = tiny.speech2text(tiny.config(tiny.SERIALIZED))
    model = speech2text.st_model

    class Broken:
        """The model, whose encoder gives NaN for the second utterance, or in a stream always."""

        def __getattr__(self, name: str):
            return getattr(model, name)

        def encode(self, *args, **kwargs):
            taps = model.encode(*args, **kwargs)
            return {name: replace_row(tap, 1) for name, tap in taps.items()}

        def step(self, *args, **kwargs):
            taps, state = model.step(*args, **kwargs)
            return {name: replace_row(tap, 0) for name, tap in taps.items()}, state

    def replace_row(tap, row):
        x = tap.x.clone()
        x[row] = torch.nan
        return tap._replace(x=x)

    speech2text.st_model = Broken()  # type: ignore[assignment]
    with pytest.raises(DataError, match="not finite") as caught:
        speech2text.decode([(tiny.speech(1.0), 8000)] * 2)
    assert caught.value.index == 1
    session = speech2text.session()
    with pytest.raises(DataError, match=r"0\.00 s: .*not finite.*session ends"):
        session.push(tiny.speech(1.0))


def test_an_absurd_packet_leaves_no_trace_in_a_session() -> None:
    speech2text, speech = tiny.speech2text(tiny.config(tiny.SERIALIZED)), tiny.speech(1.5, seed=4)
    session = speech2text.session()
    for start in range(0, len(speech), 1000):
        with pytest.raises(DataError, match=r"1e\+30"):
            session.push(np.array([0.0, 1e30]))
        session.push(speech[start : start + 1000])
    session.finish()
    words = [replace(word, confidence=None) for word in session.words]
    assert words == [replace(word, confidence=None) for word in speech2text(speech)[0][3].words] and words
