"""A server process under attack: nobody else notices, every refusal has a reason, every place comes back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from espnet_jst.inference import Speech2Text
from espnet_jst.serving.conf import TOO_LONG, TRY_AGAIN
from tests.inference import tiny
from tests.serving import served
from tests.serving.attacks import PROTOCOL_ERRORS, End, plan
from tests.serving.live import FS, SIDES, Process, process, talk

PLACES, ATTACKERS = 32, 4  # those that broke off keep theirs until what they sent is computed
FREE_S = 10.0  # after which all places have to be free
GROWTH_MB = 50.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny.save(*tiny.tiny_model(tiny.config(tiny.TWO_HEADS, two_encoders=True)), folder)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Process]:
    flags = ("--max_sessions", str(PLACES), "--ahead_s", "4", "--idle_s", "30", "--upload_mb", "2")
    with process(folder, *flags) as server:
        yield server


@pytest.fixture(scope="module")
def model(folder: Path) -> Speech2Text:
    return Speech2Text.from_pretrained(folder)


def audio(seconds: float, seed: int) -> np.ndarray:
    return served.samples_of(served.pcm(seconds, fs=FS, seed=seed))


async def attacked(server: Process, frames: int, resets: int, seed: int) -> list[End]:
    """All attacks of a plan, some at once."""
    waiting, ends = list(plan(frames, resets, seed)), []

    async def attacker() -> None:
        while waiting:
            attack, own = waiting.pop()
            async with asyncio.timeout(300):
                ends.append(await attack(server.sockets, random.Random(own)))

    await asyncio.gather(*(attacker() for _ in range(ATTACKERS)))
    return ends


async def besieged(
    server: Process, model: Speech2Text, *, frames: int, resets: int, flood_s: float, seed: int
) -> list[End]:
    """Attacks, and a flood at a hundred times the speed of speech, while somebody talks."""
    speech, flood = audio(4.0, seed), audio(flood_s, seed + 1)
    expected, flooded = (model(samples, FS)[0][3] for samples in (speech, flood))
    attacking = asyncio.create_task(attacked(server, frames, resets, seed))
    flooding = asyncio.create_task(talk(server.sockets, flood, packet_s=1.0, pace=100.0))
    talks = 0
    while not talks or not attacking.done():
        found = await talk(server.sockets, speech, pace=2.0)
        assert (found.code, found.errors) == (1000, [])
        assert {lane: found.text(lane) for lane in SIDES} == {lane: expected.text(lane) for lane in SIDES}
        talks += 1
    found = await flooding
    assert {lane: found.text(lane) for lane in SIDES} == {lane: flooded.text(lane) for lane in SIDES}
    return await attacking


def check(server: Process, ends: list[End]) -> None:
    """What has to hold when all attackers are gone."""
    deadline = time.monotonic() + FREE_S
    while server.free() < PLACES and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server.free() == PLACES, "places are not given back"
    assert server.process.poll() is None
    assert [end for end in ends if end.refused and not end.reason and end.code not in PROTOCOL_ERRORS] == []
    assert {end.code for end in ends if end.attack == "over-long" and end.refused} <= {TOO_LONG, TRY_AGAIN}
    assert [line for line in server.lines if "Traceback" in line] == [], "".join(server.lines[-60:])


def test_a_short_siege(server: Process, model: Speech2Text) -> None:
    ends = asyncio.run(besieged(server, model, frames=200, resets=10, flood_s=10.0, seed=1))
    check(server, ends)
    assert {end.attack for end in ends if end.refused} >= {"over-long", "bad JSON", "recording"}


@pytest.mark.long
def test_ten_thousand_frames_and_two_hundred_resets_disturb_nobody(server: Process, model: Speech2Text) -> None:
    asyncio.run(besieged(server, model, frames=1000, resets=20, flood_s=60.0, seed=2))  # memory that is kept
    before = server.rss_mb
    ends = asyncio.run(besieged(server, model, frames=10_000, resets=200, flood_s=60.0, seed=3))
    check(server, ends)
    assert sum(end.frames for end in ends) > 8000
    print(f"{sum(end.frames for end in ends)} frames, {len(ends)} connections, {before:.0f} -> {server.rss_mb:.0f} MB")
    assert server.rss_mb <= before + GROWTH_MB


def test_a_server_that_was_attacked_ends_as_any_other(server: Process) -> None:
    assert server.end() == 0
