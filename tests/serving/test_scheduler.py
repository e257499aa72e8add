"""Streams of any age share the steps of one model, and none costs another one its words or its turn."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.audio.samples import floats
from espnet_jst.inputs.speech import SpeechState
from espnet_jst.serving.about import ServedModel, public_name
from espnet_jst.serving.conf import BusyError, RefusedError, ServeConf
from espnet_jst.serving.scheduler import Scheduler, Stream
from espnet_jst.taps import Tap
from tests.inference import tiny
from tests.serving import served


def run(body: Callable[[Scheduler], Awaitable[None]], **limits: object) -> Scheduler:
    """A scheduler for a while."""

    async def main() -> Scheduler:
        scheduler = Scheduler(served.model(), ServeConf(**limits))
        steps = asyncio.create_task(scheduler.run())
        await asyncio.wait_for(body(scheduler), 120)
        assert not steps.done()
        steps.cancel()
        return scheduler

    return asyncio.run(main())


async def done(stream: Stream) -> None:
    while not stream.done:
        await stream.changed()


async def talk(
    scheduler: Scheduler, data: bytes, *, fs: int = 8000, packet_s: float = 0.1, pause_s: float = 0.0
) -> Stream:
    stream = scheduler.open("test")
    stream.start(fs, None)
    samples, size = floats(served.samples_of(data)), round(packet_s * fs)
    for start in range(0, len(samples), size):
        await stream.put(samples[start : start + size])
        await asyncio.sleep(pause_s)
    stream.end()
    await done(stream)
    return stream


def test_streams_that_come_at_any_time_get_their_own_words_from_shared_steps() -> None:
    rates = [8000, 16_000, 8000, 24_000, 48_000, 8000]
    audio = [served.pcm(1.0 + 0.4 * k, fs=fs, seed=k) for k, fs in enumerate(rates)]

    async def body(scheduler: Scheduler) -> None:
        async def late(k: int) -> Stream:
            await asyncio.sleep(0.03 * k)
            return await talk(scheduler, audio[k], fs=rates[k], packet_s=0.03 * (k + 1), pause_s=0.01)

        for k, stream in enumerate(await asyncio.gather(*map(late, range(len(rates))))):
            assert served.plain(stream.words) == served.expected(audio[k], rates[k])
            assert stream.words and stream.failure is None

    meters = run(body).meters
    assert meters.chunks > 1.3 * meters.steps, "streams do not share steps"
    assert meters.audio_s == pytest.approx(sum(1.0 + 0.4 * k for k in range(6)), abs=0.01)


@pytest.mark.parametrize("max_batch", [1, 2])
def test_of_more_streams_than_a_batch_takes_each_has_its_turn(max_batch: int) -> None:
    audio = [served.pcm(5.0, fs=8000, seed=k) for k in range(3)]

    async def body(scheduler: Scheduler) -> None:
        flooding = [asyncio.create_task(talk(scheduler, data, packet_s=1.0)) for data in audio]
        while scheduler.meters.chunks < 24:
            await asyncio.sleep(0.001)
        heard = [len(stream.chunks) for stream in scheduler.streams]
        assert len(heard) == 3 and max(heard) - min(heard) <= 2
        for data, stream in zip(audio, await asyncio.gather(*flooding), strict=True):
            assert served.plain(stream.words) == served.expected(data, 8000)
            stream.close()

    meters = run(body, max_batch=max_batch).meters
    assert meters.steps >= meters.chunks / max_batch


def test_one_stream_too_many_is_refused_at_once_and_a_free_place_is_taken_again() -> None:
    async def body(scheduler: Scheduler) -> None:
        first, second = scheduler.open("test"), scheduler.open("test")
        with pytest.raises(BusyError, match="all 2 sessions are taken"):
            scheduler.open("test")
        second.close()
        scheduler.open("test").close()
        first.close()

    run(body, max_sessions=2)


def test_a_flood_waits_for_its_computation_and_a_live_stream_has_its_turn_in_every_step() -> None:
    flood, live = served.pcm(20.0, fs=8000, seed=1), served.pcm(1.2, fs=8000, seed=2)
    waited: list[float] = []

    async def body(scheduler: Scheduler) -> None:
        flooding = asyncio.create_task(talk(scheduler, flood, packet_s=0.5))
        while not scheduler.meters.steps:
            await asyncio.sleep(0.001)
        before = scheduler.meters.steps
        stream = await talk(scheduler, live)
        # 1.2 s are four chunks of 0.32 s: as many steps, and those that a packet may have come too late for.
        assert scheduler.meters.steps - before <= 12
        assert not flooding.done()
        assert served.plain(stream.words) == served.expected(live, 8000)
        while not flooding.done():
            waited.append(max((other.waiting_s for other in scheduler.streams), default=0.0))
            await asyncio.sleep(0.001)
        assert served.plain(flooding.result().words) == served.expected(flood, 8000)

    run(body, ahead_s=2.0)
    assert max(waited) <= 2.5


def test_many_small_packets_are_taken_before_they_are_a_chunk() -> None:
    data = served.pcm(1.0, fs=8000, seed=3)

    async def body(scheduler: Scheduler) -> None:
        stream = await talk(scheduler, data, packet_s=0.001)
        assert served.plain(stream.words) == served.expected(data, 8000)

    run(body)


def test_what_cannot_be_decoded_ends_its_own_stream_alone() -> None:
    data = served.pcm(2.0, fs=8000, seed=4)

    async def body(scheduler: Scheduler) -> None:
        good = asyncio.create_task(talk(scheduler, data, pause_s=0.01))
        bad = scheduler.open("test")
        await bad.put(np.full(8000, np.nan, dtype=np.float32))
        await done(bad)
        assert bad.failure is not None and "finite" in str(bad.failure)
        assert served.plain((await good).words) == served.expected(data, 8000)
        assert scheduler.meters.refusals["audio"] == 1

    run(body)


@pytest.mark.parametrize("fault", [RuntimeError("a library's"), DataError("of nobody in particular"), MemoryError()])
def test_a_session_that_makes_the_step_fail_ends_alone(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frontend that cannot bear one sound stands for whatever a library cannot; all others have their words."""
    audio = [served.pcm(3.0, fs=8000, seed=seed) for seed in (10, 11, 12)]
    sound = np.full(8000, 0.999, dtype=np.float32)

    def step(x: Tap, state: SpeechState, last: Sequence[bool]) -> tuple[Tap, SpeechState]:
        if (x.x > 0.99).sum() > 1000:
            raise fault
        return whole(x, state, last)

    async def body(scheduler: Scheduler) -> None:
        good = [asyncio.create_task(talk(scheduler, data, pause_s=0.005)) for data in audio]
        bad = scheduler.open("test")
        await bad.put(floats(served.samples_of(served.pcm(1.0, fs=8000, seed=13))))
        while scheduler.meters.chunks < 12:
            await asyncio.sleep(0.001)
        await bad.put(sound)
        await done(bad)
        assert bad.failure is not None
        assert ("inside of the server" in str(bad.failure)) == (not isinstance(fault, DataError))
        for data, stream in zip(audio, await asyncio.gather(*good), strict=True):
            assert stream.failure is None and served.plain(stream.words) == served.expected(data, 8000)
        assert bad.words == bad.session.words and bad.duration_s == 2.0

    frontend = served.speech2text().st_model.speech
    whole = frontend.step
    monkeypatch.setattr(frontend, "step", step)
    meters = run(body).meters
    kind = "audio" if isinstance(fault, DataError) else "internal"
    assert meters.refusals == {kind: 1} and meters.chunks > meters.steps


def test_a_session_that_cannot_begin_ends_alone() -> None:
    data = served.pcm(1.0, fs=8000, seed=14)

    async def body(scheduler: Scheduler) -> None:
        bad, good = scheduler.open("test"), scheduler.open("test")
        bad.start(8000, "a language that no check has kept out")
        for stream in (bad, good):
            await stream.put(floats(served.samples_of(data)))
            stream.end()
        await done(bad)
        await done(good)
        assert bad.failure is not None and bad.words == []
        assert good.failure is None and served.plain(good.words) == served.expected(data, 8000)

    run(body)


def test_a_fault_in_a_step_fails_its_streams_and_the_scheduler_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    data = served.pcm(0.5, fs=8000, seed=5)

    async def body(scheduler: Scheduler) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("espnet_jst.serving.scheduler.advance_together", lambda sessions: 1 / 0)
            stream = await talk(scheduler, data)
            assert stream.failure is not None and "inside of the server" in str(stream.failure)
        assert served.plain((await talk(scheduler, data)).words) == served.expected(data, 8000)

    run(body)


def test_a_session_that_gets_too_long_ends_with_its_words() -> None:
    data = served.pcm(3.0, fs=8000, seed=6)

    async def body(scheduler: Scheduler) -> None:
        stream = await talk(scheduler, data)
        assert stream.failure is not None and "at most 1 s" in str(stream.failure)
        assert stream.words and 1.0 < stream.duration_s < 1.2
        assert served.plain(stream.words) == served.expected(data[: 2 * round(8000 * stream.duration_s)], 8000)

    run(body, session_s=1.0)


def test_draining_finishes_what_was_begun_and_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    data = served.pcm(1.5, fs=8000, seed=7)

    async def body(scheduler: Scheduler) -> None:
        stream = scheduler.open("test")
        await stream.put(floats(served.samples_of(data)))
        draining = asyncio.create_task(scheduler.drain())
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="ending"):
            scheduler.open("test")
        await done(stream)
        assert served.plain(stream.words) == served.expected(data, 8000)
        assert not draining.done()
        stream.close()
        assert await draining

    with caplog.at_level(logging.INFO, "espnet_jst.serving"):
        run(body)
    assert "session 1 test: 1.50 s of audio" in caplog.text and "finished" in caplog.text


@pytest.mark.parametrize("message", ["chunk_s 0", "revise", "2 channels"])
def test_a_model_that_does_not_stream_or_takes_words_back_is_not_served(
    message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech2text = tiny.speech2text(tiny.config(tiny.SERIALIZED), chunk_s=0 if message == "chunk_s 0" else None)
    if message == "revise":
        speech2text.options = replace(speech2text.options, revise=True)
    if message == "2 channels":
        monkeypatch.setattr(Speech2Text, "channels", 2)
    with pytest.raises(ConfigError, match=message):
        ServedModel.of(speech2text, "tiny")


def test_a_name_for_clients_has_no_folders(tmp_path: Path) -> None:
    (tmp_path / "anna@corp.example" / "st_train").mkdir(parents=True)
    assert public_name(str(tmp_path / "anna@corp.example" / "st_train")) == "st_train"
    assert public_name("owner/name@1a2b") == "owner/name@1a2b"


def test_a_model_of_several_languages_has_to_be_told_one_of_them() -> None:
    speech2text = copy.copy(served.speech2text())
    speech2text.tgt_langs = ("de", "es")
    model = replace(served.model(), speech2text=speech2text)
    assert model.tgt_lang("es") == "es"
    for code in ("fr", None):
        with pytest.raises(RefusedError, match="de"):
            model.tgt_lang(code)


def test_a_session_without_audio_is_done_without_a_step() -> None:
    async def body(scheduler: Scheduler) -> None:
        stream = scheduler.open("test")
        stream.end()
        await done(stream)
        assert (stream.words, stream.failure, stream.duration_s) == ([], None, 0.0)

    assert run(body).meters.steps == 0


def test_what_other_machines_reach_has_a_token() -> None:
    with pytest.raises(ConfigError, match="give a --token"):
        ServeConf(host="0.0.0.0")
    assert not ServeConf(host="0.0.0.0", token="secret").loopback
