"""A server in a process of its own, as clients meet it, and a client that speaks at the speed of speech."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from benchmarks.measure import resident_mb

ROOT = Path(__file__).resolve().parents[2]
OPENAI = "/v1/realtime/translations"
FS = 24_000  # of that protocol, in Hz
SIDES = {"transcript": "input", "translation": "output"}
BOTH_LANES = {"audio": {"input": {"transcription": {"model": "any"}}}}
START_S = 600.0  # on a machine that is busy with other things


class Process:
    """`espnet-jst serve` on a free port of the loopback interface; what it says stands in `lines`."""

    def __init__(self, model: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "espnet_jst.bin.cli", "serve", "--model", str(model), "--port", "0", *flags]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", env=environment)
        self.lines: list[str] = []
        self.address = ""
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._listening.wait(START_S)
        if not self.address:
            self.process.kill()
            raise RuntimeError("the server did not start:\n" + "".join(self.lines[-20:]))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"serving .* at (http://[^,\s]+),", line):
                self.address = found[1]
                self._listening.set()
        self._listening.set()

    @property
    def sockets(self) -> str:
        """Address of its WebSockets."""
        return self.address.replace("http", "ws", 1)

    @property
    def rss_mb(self) -> float:
        """Resident memory."""
        return resident_mb(self.process.pid)

    def get(self, path: str) -> str:
        """What stands at an address."""
        with urllib.request.urlopen(self.address + path, timeout=60) as response:
            return response.read().decode()

    def free(self) -> int:
        """Places for sessions."""
        return json.loads(self.get("/health"))["free"]

    def meters(self) -> dict[str, float]:
        """What /metrics counts, by name and label."""
        lines = [line for line in self.get("/metrics").splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def end(self, timeout_s: float = 120.0) -> int:
        """Ask it to end -> its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self._reader.join(10)


@contextmanager
def process(model: Path, *flags: str) -> Iterator[Process]:
    """A server that is ended in any case."""
    server = Process(model, *flags)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()


@dataclass
class Talk:
    """What a session brought.

    Attributes:
        shown: of each side (`SIDES`), (seconds since the first sample, audio heard in ms, text) of each delta.
        errors: messages of error events.
        late_s: how much later than planned each packet was sent.
        code, reason: with which the connection was closed.
    """

    shown: dict[str, list[tuple[float, int, str]]] = field(default_factory=lambda: {"input": [], "output": []})
    errors: list[str] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    code: int | None = None
    reason: str = ""

    def text(self, lane: str) -> str:
        """All of a lane."""
        return "".join(text for *_, text in self.shown[SIDES[lane]])


async def talk(address: str, samples: np.ndarray, *, packet_s: float = 0.1, pace: float = 1.0) -> Talk:
    """A session of OpenAI's protocol; a packet is sent when its last sample has been spoken.

    Args:
        address: of the server's WebSockets.
        samples: int16 (n,) at 24 kHz.
        packet_s: audio of a message.
        pace: how much faster than speech.
    """
    found = Talk()
    async with connect(address + OPENAI, ping_interval=None, open_timeout=60, max_queue=None) as socket:
        sending: asyncio.Task[None] | None = None
        try:
            await socket.send(json.dumps({"type": "session.update", "session": BOTH_LANES}))
            started = time.monotonic()
            sending = asyncio.create_task(_send(socket, samples, round(packet_s * FS), pace, started, found.late_s))
            async for message in socket:
                event = json.loads(message)
                if event["type"] == "error":
                    found.errors.append(event["error"]["message"])
                elif event["type"].endswith("_transcript.delta"):
                    side = event["type"].split(".")[1].split("_")[0]
                    found.shown[side].append((time.monotonic() - started, event["elapsed_ms"], event["delta"]))
        except ConnectionClosed:
            pass
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        found.code, found.reason = socket.close_code, socket.close_reason or ""
    return found


async def _send(socket, samples: np.ndarray, size: int, pace: float, started: float, late_s: list[float]) -> None:  # type: ignore[no-untyped-def]
    for start in range(0, len(samples), size):
        packet = samples[start : start + size]
        due = started + (start + len(packet)) / FS / pace
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        late_s.append(time.monotonic() - due)
        audio = base64.b64encode(packet.astype("<i2").tobytes()).decode()
        await socket.send(json.dumps({"type": "session.input_audio_buffer.append", "audio": audio}))
    await socket.send('{"type": "session.close"}')
