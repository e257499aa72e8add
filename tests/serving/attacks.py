"""What a client may send by mistake or malice, each attack a connection of its own; seeded."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import socket as sockets
import struct
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from espnet_jst.serving.conf import MESSAGE_BYTES
from tests.serving.live import OPENAI

PATHS = (OPENAI, "/simulstream", "/asr", "/", "/asr?mode=diff&sample_rate=48000")
RATES = (
    0,
    -1,
    1e9,
    7999,
    48_001,
    1.5e4 + 0.5,
    1e400,
    -1e400,
    float("nan"),
    True,
    None,
    "",
    "x",
    "\ud800\n",
    [16_000],
    {},
)
BROKEN = ("", "{", "[]", "null", "1e999", '"\\ud800"', "{" * 100_000, "[" * 100_000, "\x00", '{"a":' * 5000, "9" * 5000)
OPENAI_JUNK: tuple[Any, ...] = (
    {},
    {"type": None},
    {"type": ["session.close"]},
    {"type": "session.\ud800\n", "event_id": "\udfff" * 99},
    {"type": "session.update"},
    {"type": "session.update", "session": {"audio": {"output": {"language": "\ud800"}}}},
    {"type": "session.update", "session": {"audio": {"output": {"language": "x" * 1000}}}},
    {"type": "session.update", "session": {"audio": {"input": 7, "output": [1]}}},
    {"type": "session.input_audio_buffer.append"},
    {"type": "session.input_audio_buffer.append", "audio": "no base64!"},
    {"type": "session.input_audio_buffer.append", "audio": 7, "event_id": {"a": 1}},
)
PROTOCOL_ERRORS = (1002, 1007)  # the code says what was wrong with the frames


@dataclass(frozen=True)
class End:
    """How a connection ended.

    Attributes:
        attack: what was tried.
        frames: that were sent.
        refused: whether the server ended it, otherwise than as agreed.
        code: of the closing frame, or of HTTP.
        reason: that was given for it.
    """

    attack: str
    frames: int
    refused: bool = False
    code: int | None = None
    reason: str = ""


Attack = Callable[[str, random.Random], Coroutine[Any, Any, End]]


def noise(draw: random.Random, count: int) -> bytes:
    """Samples, and half a one: any number of bytes."""
    return (
        (3000 * np.random.default_rng(draw.randrange(2**32)).standard_normal(count // 2 + 1))
        .astype("<i2")
        .tobytes()[:count]
    )


def append(data: bytes) -> str:
    """Audio as OpenAI's clients send it."""
    return json.dumps({"type": "session.input_audio_buffer.append", "audio": base64.b64encode(data).decode()})


async def provoke(attack: str, url: str, frames: Iterable[str | bytes], *, wait_s: float = 0.0) -> End:
    """Send frames, read what is answered, and leave after a while if the server does not end it."""
    async with connect(url, ping_interval=None, open_timeout=60, close_timeout=5, max_size=None) as socket:
        reading = asyncio.create_task(_read(socket))
        sent = 0
        try:
            for frame in frames:
                await socket.send(frame)
                sent += 1
            await asyncio.wait((reading,), timeout=wait_s)
        except ConnectionClosed:
            pass
        if not reading.done() and wait_s:
            await socket.close()
        await reading
    closed = socket.protocol.close_rcvd
    refused = closed is not None and bool(socket.protocol.close_rcvd_then_sent) and closed.code != 1000
    return End(attack, sent, refused, closed.code if closed else None, closed.reason if closed else "")


async def _read(socket: ClientConnection) -> None:
    try:
        async for _ in socket:
            pass
    except ConnectionClosed:
        pass


async def odd_bytes(address: str, draw: random.Random) -> End:
    """Packets of odd numbers of bytes, none among them, to the end."""
    frames = [noise(draw, draw.choice((0, 1, 3, 999, 2001))) for _ in range(20)]
    return await provoke("odd bytes", f"{address}/simulstream", [*frames, '{"end_of_stream": 1}'], wait_s=60)


async def over_long(address: str, draw: random.Random) -> End:
    """A message that is longer than any may be."""
    size = MESSAGE_BYTES + draw.randrange(1, 1000)
    return await provoke("over-long", address + draw.choice(PATHS), [draw.choice(("x" * size, bytes(size)))], wait_s=60)


async def bad_json(address: str, draw: random.Random) -> End:
    """Text that is no JSON where JSON is expected."""
    return await provoke("bad JSON", address + draw.choice(PATHS[1:]), [draw.choice(BROKEN)], wait_s=60)


async def junk(address: str, draw: random.Random) -> End:
    """Many wrong events of OpenAI's protocol: each is answered, and the session goes on."""
    frames = [draw.choice((*map(json.dumps, OPENAI_JUNK), *BROKEN, b"\0")) for _ in range(40)]
    return await provoke("junk", address + OPENAI, [*frames, '{"type": "session.close"}'], wait_s=60)


async def rate(address: str, draw: random.Random) -> End:
    """Sampling rates that cannot be."""
    value = draw.choice(RATES)
    return await provoke(
        "rate", f"{address}/simulstream", [json.dumps({"sample_rate": value}), noise(draw, 999)], wait_s=0.5
    )


async def disorder(address: str, draw: random.Random) -> End:
    """Messages that belong there, in any order: audio after the end, two ends, settings in the middle."""
    frames: list[str | bytes] = [
        noise(draw, 3333),
        noise(draw, 1),
        b"",
        '{"end_of_stream": 1}',
        '{"sample_rate": 8000}',
    ]
    frames += [append(noise(draw, 4001)), '{"type": "session.close"}', '{"type": "session.update", "session": {}}']
    frames *= 2
    draw.shuffle(frames)
    return await provoke("disorder", address + draw.choice(PATHS), frames, wait_s=2)


async def slow_reader(address: str, draw: random.Random) -> End:
    """Somebody who says much and takes nothing, and goes."""
    url = f"{address}/asr?mode=full"
    async with connect(url, ping_interval=None, open_timeout=60, close_timeout=0.1, max_queue=1) as socket:
        sent = 0
        try:
            async with asyncio.timeout(2):
                for _ in range(30):
                    await socket.send(noise(draw, 8000))
                    sent += 1
                await asyncio.sleep(1)
        except (TimeoutError, ConnectionClosed):
            pass
    return End("slow reader", sent)


async def reset(address: str, draw: random.Random) -> End:
    """A machine that is switched off, in the middle of a frame too."""
    socket = await connect(address + draw.choice(PATHS), ping_interval=None, open_timeout=60, close_timeout=0.1)
    with suppress(ConnectionClosed, OSError):  # the server may have ended it before
        for _ in range(2):
            await socket.send(noise(draw, 4000))
        if draw.random() < 0.5:
            socket.transport.write(b"\x82\xfe\x40\x00" + bytes(draw.randrange(100)))  # a frame of 16 kB that stops
        handle = socket.transport.get_extra_info("socket")
        handle.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
    socket.transport.abort()
    await socket.wait_closed()
    return End("reset", 3)


async def raw(address: str, draw: random.Random) -> End:
    """Bytes that are no HTTP, or after an agreed upgrade no frames."""
    host, port = address.removeprefix("ws://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    upgrade = f"GET /asr HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    upgrade += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    opcode, length = draw.randrange(16), draw.randrange(126)
    frame = bytes((0x80 | draw.randrange(8) << 4 | opcode, draw.choice((0, 0x80)) | length)) + draw.randbytes(
        length + 4
    )
    invalid = b"\x81\x82" + bytes(4) + b"\xff\xfe"  # text that is no UTF-8
    parts = [
        draw.randbytes(500),
        upgrade.encode() + frame,
        upgrade.encode() + invalid,
        upgrade.replace("13", "x").encode(),
    ]
    writer.write(draw.choice(parts))
    try:
        async with asyncio.timeout(1):
            await writer.drain()
            while await reader.read(4096):
                pass
    except (TimeoutError, ConnectionError):
        pass
    writer.transport.abort()
    return End("raw bytes", 1)


async def recording(address: str, draw: random.Random) -> End:
    """A body that is no recording."""
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0data"
    body = draw.choice((b"", header, b"OggS", b"fLaC", b"ID3\x04")) + draw.randbytes(draw.randrange(500))
    query = draw.choice(("", "?format=docx", "?tgt_lang=%ED%A0%80", "?format=%00"))

    def post() -> tuple[int, str]:
        request = urllib.request.Request(f"{address.replace('ws', 'http', 1)}/v1/recordings{query}", body)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]

    status, said = await asyncio.to_thread(post)
    return End("recording", 1, status != 200, status, said)


FRAMES: dict[Attack, int] = {
    odd_bytes: 21,
    over_long: 1,
    bad_json: 1,
    junk: 41,
    rate: 2,
    disorder: 16,
    slow_reader: 30,
    raw: 1,
    recording: 1,
}
"""How many frames an attack sends, if it may."""


def plan(frames: int, resets: int, seed: int) -> Iterator[tuple[Attack, int]]:
    """Attacks and their seeds: every one at least once, then drawn until so many frames would be sent; and resets."""
    draw, count = random.Random(seed), 0
    chosen: list[Attack] = [*FRAMES, *[reset] * resets]
    for attack in FRAMES:
        count += FRAMES[attack]
    while count < frames:
        chosen.append(draw.choice([*FRAMES]))
        count += FRAMES[chosen[-1]]
    draw.shuffle(chosen)
    for attack in chosen:
        yield attack, draw.randrange(2**32)
