"""The command serves until it is told to end, and says beforehand what cannot be."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from espnet_jst.bin import cli
from tests.inference import tiny
from tests.serving import served


def test_sigterm_ends_the_command_when_its_sessions_are_finished(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), tmp_path)
    data, said = served.pcm(2.0, fs=16_000, seed=9), []

    def client() -> None:
        while not (found := re.search(r"at http://(\S+),", caplog.text)):
            time.sleep(0.05)
        with connect(f"ws://{found[1]}/asr?mode=diff", ping_interval=None, open_timeout=60) as socket:
            socket.send(data)
            said.append(json.loads(socket.recv(60)))
            said.append(json.loads(socket.recv(60)))  # something was computed
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                while True:
                    said.append(json.loads(socket.recv(60)))
            except ConnectionClosed as closed:
                said.append(closed.rcvd.code)

    talking = threading.Thread(target=client, daemon=True)
    talking.start()
    with caplog.at_level(logging.INFO):
        assert cli.main(["serve", "--model", str(tmp_path), "--port", "0", "--chunk_s", "0.64"]) == 0
    talking.join(60)
    assert said[-2:] == [{"type": "ready_to_stop"}, 1001]
    lines = [line["text"] for state in said[1:-2] for line in state.get("lines", []) + state.get("new_lines", [])]
    whole = tiny.speech2text(tiny.config(tiny.SERIALIZED), chunk_s=0.64)
    hyp = whole(served.samples_of(data), 16_000)[0][3]
    assert " ".join(filter(None, lines)) == hyp.text("transcript") != ""
    assert "session 1 whisperlivekit: 2.00 s of audio" in caplog.text and "ending: 1 sessions" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "give a --token"),
        (["--port", "99999"], "port"),
        (["--max_sessions", "0"], "max_sessions"),
        (["--token", ""], "token"),
    ],
)
def test_what_cannot_be_is_said_before_a_model_is_loaded(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture
) -> None:
    assert cli.main(["serve", "--model", "nowhere.zip", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_token_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("JST_SERVE_TOKEN", "secret")
    assert cli.main(["serve", "--model", "nowhere.zip", "--host", "0.0.0.0"]) == 1
    assert "nowhere.zip" in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert cli.main(["serve", "--model", "nowhere.zip"]) == 1
    assert "uvicorn is missing: pip install 'espnet_jst[serve]'" in capsys.readouterr().err
