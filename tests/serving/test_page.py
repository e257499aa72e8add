"""The page without a browser: its files and their headers, its protocol, what it is told of the model."""

from __future__ import annotations

import json
import re
import runpy
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import setuptools
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from espnet_jst.serving.conf import RefusedError, ServeConf
from espnet_jst.serving.page.routes import TYPES
from espnet_jst.serving.protocols.page import Page
from espnet_jst.serving.server import Server
from espnet_jst.serving.wire import Progress
from espnet_jst.text.subtitles import format_words
from espnet_jst.text.words import Word
from tests.serving import served
from tests.serving.test_server import ask, packets

ROOT = Path(__file__).parents[2]
FOLDER = resources.files("espnet_jst.serving.page")
FILES = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.iterdir() if file.name.endswith(tuple(TYPES))}
FS = 8000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served.running() as server:
        yield server


def test_the_page_and_its_files_come_with_headers_that_let_nothing_else_in(server: Server) -> None:
    kinds = set()
    for path in ("/", *(f"/page/{name}" for name in (*FILES, "palette.css") if name != "index.html")):
        with urllib.request.urlopen(served.http(server) + path, timeout=60) as response:
            policy = response.headers["Content-Security-Policy"]
            kinds.add(response.headers["Content-Type"].split(";")[0])
            assert response.read() and response.headers["X-Content-Type-Options"] == "nosniff"
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy and "http" not in policy and "frame-ancestors 'none'" in policy
    assert kinds == {"text/html", "text/css", "text/javascript", "image/svg+xml"}
    assert ask(server, "/page/../conf.py")[0] == ask(server, "/page/routes.py")[0] == 404


def test_no_file_names_another_host_and_all_that_are_named_are_there() -> None:
    for name, text in FILES.items():
        named = re.findall(r"\b(?:https?|wss?)://[^\s\"'`]+", text)
        assert [address for address in named if not address.startswith("http://www.w3.org/")] == [], name
        parts = re.findall(r"(?:from \"\./|\"page/|URL\(\")([\w-]+\.\w+)\"", text)
        assert set(parts) <= {*FILES, "palette.css"}, name
    assert "<script>" not in FILES["index.html"] and "style=" not in FILES["index.html"]  # the policy refuses both
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", "".join(FILES.values()))


def test_everything_that_is_no_code_is_in_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path(str(ROOT / "setup.py"))
    package = ROOT / "espnet_jst"
    packed = {path for pattern in given["package_data"]["espnet_jst"] for path in package.glob(pattern)}
    written = {path for path in package.rglob("*.*") if path.is_file() and path.parent.name != "__pycache__"}
    assert packed == {path for path in written if path.suffix != ".py"}
    assert "espnet_jst.serving.page" in given["packages"]


def test_what_scripts_look_for_in_the_page_is_there() -> None:
    looked = set(re.findall(r"\$\(\"([\w-]+)\"\)", FILES["main.js"]))
    assert looked <= set(re.findall(r"\bid=\"([\w-]+)\"", FILES["index.html"]))


def live(server: Server, data: bytes, fs: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The words that the protocol sends for samples, and the last figures."""
    words, last = [], {}
    with connect(f"{served.ws(server)}/live", ping_interval=None) as client:
        client.send(json.dumps({"sample_rate": fs, "tgt_lang": "de"}))
        for packet in packets(data, 3001):
            client.send(packet)
        client.send('{"end": true}')
        while "done" not in (message := json.loads(client.recv(60))):
            words += message["words"]
            last = message
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(60)
    assert closed.value.rcvd.code == 1000
    return words, last


@pytest.mark.parametrize("fs", [8000, 44_100])
def test_every_word_is_sent_once_with_its_times(server: Server, fs: int) -> None:
    data = served.pcm(2.5, fs=fs, seed=1)
    words, last = live(server, data, fs)
    expected = [word.as_dict() for word in served.expected(data, fs)]
    assert [word["id"] for word in words] == list(range(len(expected))) and expected
    assert [{key: word[key] for key in wanted} for word, wanted in zip(words, expected, strict=True)] == expected
    assert last["heard_s"] == pytest.approx(2.5, abs=1e-3) and last["waiting_s"] == 0 < last["elapsed_s"]


def test_blanks_are_those_of_the_scripts() -> None:
    wire = Page({}, served.model())
    said = [("two", None), ("deep", None), (",", True), ("深", None), ("度", None)]
    words = [Word(text, "transcript", 0.0, 0.1, 0.2, glued=glued) for text, glued in said]
    [message] = wire.show(words, Progress(1.23456, 0.5, 0.1))
    assert [word["blank"] for word in message["words"]] == [True, True, False, False, False]
    assert (message["heard_s"], message["waiting_s"]) == (1.235, 0.5)
    [message] = Page({}, served.model()).show(words[3:], Progress())
    assert message["words"][0]["blank"] is False  # none behind a word of its script, if one stands there


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (["{"], "no JSON"),
        (['{"end": 1}'], "sample_rate"),
        (['{"sample_rate": 1e9}'], "8000-48000"),
        (['{"sample_rate": 8000, "tgt_lang": "fr"}'], "translates into 'de'"),
        ([b"\0\0", '{"sample_rate": 8000}'], "before the audio"),
    ],
)
def test_what_cannot_be_used_is_said(messages: list[str | bytes], said: str) -> None:
    wire = Page({}, served.model())
    with pytest.raises(RefusedError, match=said):
        for message in messages:
            wire.hear(message)


def test_subtitles_of_words_that_a_page_holds_are_those_of_transcribe(server: Server) -> None:
    data = served.pcm(3.0, fs=FS, seed=2)
    words = live(server, data, FS)[0]
    for form in ("srt", "vtt", "txt"):
        status, text = ask(server, f"/v1/subtitles?format={form}", json.dumps({"words": words}).encode())
        expected = format_words(served.expected(data, FS), form, languages=served.model().languages)
        assert (status, text) == (200, expected)


@pytest.mark.parametrize("form", ["srt", "vtt", "ttml", "txt"])
def test_the_name_of_a_speaker_may_be_any_text(server: Server, form: str) -> None:
    words = [{"text": "a", "lane": "transcript", "start_s": 0, "end_s": 1, "speaker": "\ud800b\0"}]
    status, text = ask(server, f"/v1/subtitles?format={form}", json.dumps({"words": words}).encode())
    assert status == 200 and "b" in text and "\0" not in text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[]", "no object"),
        ('{"words": 5}', "a list"),
        ('{"words": [5]}', "texts of up to"),
        ('{"words": [{"text": "a", "lane": "x", "start_s": "0", "end_s": 1}]}', "seconds"),
        ('{"words": [{"text": "a", "lane": "x", "start_s": NaN, "end_s": 1}]}', "seconds"),
        ('{"words": [{"text": "a", "lane": ["x"], "start_s": 0, "end_s": 1}]}', "texts of up to"),
    ],
)
def test_what_are_no_words_is_refused(server: Server, body: str, said: str) -> None:
    status, text = ask(server, "/v1/subtitles", body.encode())
    assert status == 400 and said in json.loads(text)["error"]


def test_the_model_is_described(server: Server) -> None:
    about = json.loads(ask(server, "/v1/model")[1])
    assert about["name"] == "tiny" and about["fs"] == 8000 and about["chunk_s"] > 0
    assert [(lane["name"], lane["source"], lane["language"]) for lane in about["lanes"]] == [
        ("transcript", True, "en"),
        ("translation", False, "de"),
    ]
    assert (about["license"], about["measured"]) == ("", [])


def test_the_page_is_anybodys_but_what_it_asks_for_needs_the_token() -> None:
    with served.running(ServeConf(token="secret")) as server:
        assert ask(server, "/")[0] == ask(server, "/page/main.js")[0] == 200
        assert ask(server, "/v1/model")[0] == ask(server, "/v1/subtitles", b"{}")[0] == 401
        assert ask(server, "/v1/model", Authorization="Bearer secret")[0] == 200
        assert ask(server, "/v1/model", Authorization="Bearer secret", Origin="https://evil.example")[0] == 403
