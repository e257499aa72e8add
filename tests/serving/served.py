"""A tiny model that is served: in this process, on a free port of the loopback interface."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import numpy as np

from espnet_jst.inference import Speech2Text
from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.conf import ServeConf
from espnet_jst.serving.server import Server, address, listen
from espnet_jst.text.words import Word
from tests.inference import tiny


@cache
def speech2text() -> Speech2Text:
    return tiny.speech2text(tiny.config(tiny.TWO_HEADS, two_encoders=True), max_symbols=4)


@cache
def model() -> ServedModel:
    return replace(ServedModel.of(speech2text(), "tiny"), languages={"transcript": "en", "translation": "de"})


def pcm(seconds: float, *, fs: int, seed: int = 0) -> bytes:
    """Speech-like noise, 16-bit samples."""
    return (tiny.speech(seconds, fs=fs, seed=seed) * 32767).astype("<i2").tobytes()


def samples_of(data: bytes) -> np.ndarray:
    """As a client of the package has them."""
    return np.frombuffer(data, dtype="<i2")


def expected(data: bytes, fs: int) -> list[Word]:
    """What Speech2Text says to the same samples."""
    return plain(speech2text()(samples_of(data), fs)[0][3].words)


def plain(words: list[Word]) -> list[Word]:
    """Without what may differ in the last digits between a stream and a whole utterance, or streams in a batch."""
    return [replace(word, confidence=None) for word in words]


def text(words: list[Word], lane: str) -> str:
    return " ".join(word.text for word in words if word.lane == lane)


@contextmanager
def running(conf: ServeConf | None = None) -> Iterator[Server]:
    """A server in a thread, with its address as `url`, whose port no other has."""
    listener = listen("127.0.0.1", 0)
    server = Server(model(), conf or ServeConf(max_sessions=4), listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield server
    finally:
        server.finish()
        thread.join(60)
        assert not thread.is_alive(), "the server does not end"


def http(server: Server) -> str:
    return address(server.listener)


def ws(server: Server) -> str:
    return http(server).replace("http", "ws", 1)
