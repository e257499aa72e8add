"""A server on the loopback interface: its own words for each client, and none for whom it may not serve."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import soundfile
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as websocket

from espnet_jst.serving.conf import MESSAGE_BYTES, ServeConf
from espnet_jst.serving.server import Server
from espnet_jst.text.subtitles import format_words
from tests.serving import served

FS = 8000
connect = partial(websocket, ping_interval=None, open_timeout=60)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served.running() as server:
        yield server


def packets(data: bytes, size: int = 1600) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def ask(server: Server, path: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(served.http(server) + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wave(data: bytes, fs: int, form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, served.samples_of(data), fs, format=form)
    return file.getvalue()


def free(server: Server) -> int:
    return json.loads(ask(server, "/health")[1])["free"]


def wait_until_free(server: Server, places: int = 4) -> None:
    deadline = time.monotonic() + 60
    while free(server) < places and time.monotonic() < deadline:
        time.sleep(0.02)
    assert free(server) == places


@pytest.mark.parametrize(("mode", "fs"), [("full", 16_000), ("diff", 16_000), ("diff", 44_100), ("full", 8000)])
def test_whisperlivekit_gets_the_words_of_the_whole(server: Server, mode: str, fs: int) -> None:
    data, lines, state = served.pcm(2.5, fs=fs, seed=1), [], {}
    with connect(f"{served.ws(server)}/asr?mode={mode}&sample_rate={fs}&language=auto") as socket:
        assert json.loads(socket.recv(60))["type"] == "config"
        for packet in packets(data, 3333):
            socket.send(packet)
        socket.send(b"")
        while (message := json.loads(socket.recv(60))) != {"type": "ready_to_stop"}:
            state = message
            lines = state["lines"] if "lines" in state else lines + state.get("new_lines", [])
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(60)
    assert closed.value.rcvd.code == 1000
    words = served.expected(data, fs)
    assert words and state["buffer_transcription"] == ""
    assert " ".join(line["text"] for line in lines if line["text"]) == served.text(words, "transcript")
    meant = " ".join(line["translation"] for line in lines if "translation" in line)
    assert meant == served.text(words, "translation")


@pytest.mark.parametrize("form", ["json", "srt", "vtt", "ttml", "txt"])
def test_a_recording_becomes_a_document(server: Server, form: str) -> None:
    data = served.pcm(4.0, fs=FS, seed=2)
    status, text = ask(server, f"/v1/recordings?format={form}", wave(data, FS))
    words = served.expected(data, FS)
    assert status == 200 and words
    if form == "json":
        document = json.loads(text)
        assert document["duration_s"] == 4.0
        assert document["text"]["transcript"] == served.text(words, "transcript")
        times = [(word["text"], word["lane"], word["start_s"], word["end_s"]) for word in document["words"]]
        assert times == [(word.text, word.lane, word.start_s, word.end_s) for word in words]
    else:
        assert text == format_words(words, form, languages=served.model().languages)
    wait_until_free(server)


def test_a_long_recording_and_a_compressed_one_go_the_same_way(server: Server) -> None:
    data = served.pcm(25.0, fs=FS, seed=3)
    document = json.loads(ask(server, "/v1/recordings", wave(data, FS, "FLAC"))[1])
    assert document["text"]["translation"] == served.text(served.expected(data, FS), "translation")


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("?format=docx", b"x", 400, "one of json"),
        ("?tgt_lang=fr", b"x", 400, "translates into 'de'"),
        ("", b"", 400, "empty"),
        ("", b"not audio at all", 400, "recording"),
        ("", b"#EXTM3U\nfile:///etc/passwd\n\0\xff", 400, "recording"),
        ("", wave(served.pcm(1.0, fs=FS), FS)[:5000], 400, "recording"),
        ("", wave(b"", FS), 400, "recording"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_reason(
    server: Server, path: str, body: bytes, status: int, said: str
) -> None:
    found, text = ask(server, f"/v1/recordings{path}", body)
    assert found == status and said in json.loads(text)["error"]
    wait_until_free(server)


def test_one_too_many_is_told_to_come_back(server: Server) -> None:
    asr = f"{served.ws(server)}/asr"
    sockets = [connect(asr) for _ in range(4)]
    for client in sockets:
        client.recv(60)
    with connect(asr) as fifth, pytest.raises(ConnectionClosed) as closed:
        fifth.recv(60)
    assert closed.value.rcvd.code == 1013 and "all 4 sessions are taken" in closed.value.rcvd.reason
    status, text = ask(server, "/v1/recordings", b"x")
    assert status == 503 and "taken" in text
    for client in sockets:
        client.close()
    wait_until_free(server)
    assert 'jst_refusals_total{kind="busy"} ' in ask(server, "/metrics")[1]


def test_what_clients_do_wrong_ends_their_own_session_alone(server: Server) -> None:
    data, base = served.pcm(3.0, fs=16_000, seed=4), served.ws(server)
    with connect(f"{base}/asr") as good:
        sent = iter(packets(data, 4000))
        good.send(next(sent))
        for path, message, code in (
            ("/asr", "text", 1008),
            ("/asr", b"OggS...", 1008),
            ("/asr?mode=sideways", b"", 1008),
            ("/asr", b"\0" * (MESSAGE_BYTES + 2), 1009),
            ("/simulstream", "{", 1008),
            ("/simulstream", '{"sample_rate": 1e9}', 1008),
            ("/simulstream", '{"sample_rate": -1}', 1008),
            ("/simulstream", '{"sample_rate": "\\ud800"}', 1008),
            ("/simulstream", '{"target_lang": "../../etc"}', 1008),
        ):
            with pytest.raises(ConnectionClosed) as closed, connect(f"{base}{path}") as bad:
                bad.send(message)
                while True:
                    bad.recv(60)
            assert closed.value.rcvd.code == code and closed.value.rcvd.reason, (path, message[:20])
            good.send(next(sent))
        for packet in sent:
            good.send(packet)
        good.send(b"")
        state = {}
        while "type" not in (message := json.loads(good.recv(60))) or message["type"] == "config":
            state = message
    words = served.expected(data, 16_000)
    assert " ".join(line["text"] for line in state["lines"] if line["text"]) == served.text(words, "transcript")
    wait_until_free(server)


def test_connections_that_break_off_give_their_places_back(server: Server) -> None:
    for k in range(40):
        client = connect(f"{served.ws(server)}/asr", close_timeout=0)
        client.send(served.pcm(0.5, fs=16_000, seed=k))
        # A reset, as of a machine that is switched off.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        if k % 4 == 3:
            wait_until_free(server)
    wait_until_free(server)


def test_who_reads_nothing_holds_up_nobody(server: Server) -> None:
    data = served.pcm(2.0, fs=16_000, seed=5)
    with connect(f"{served.ws(server)}/asr", max_queue=1) as slow:
        for packet in packets(served.pcm(30.0, fs=16_000, seed=6), 32_000):
            slow.send(packet)
        status, text = ask(server, "/v1/recordings?format=txt", wave(data, 16_000))
        assert status == 200 and text.startswith(served.text(served.expected(data, 16_000), "transcript"))
    wait_until_free(server)


def test_the_meters_count(server: Server) -> None:
    ask(server, "/v1/recordings", wave(served.pcm(1.0, fs=FS), FS))
    text = ask(server, "/metrics")[1]
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["jst_sessions"]) == 0 and float(values['jst_sessions_total{protocol="recording"}']) >= 1
    assert 0 < float(values["jst_compute_seconds_total"]) and float(values["jst_audio_seconds_total"]) >= 1
    assert float(values["jst_chunk_lag_seconds_count"]) == float(values["jst_chunks_total"]) > 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example:8000", "Origin": "http://evil.example:8000"}, 403),
        ({"Host": "[::"}, 403),
    ],
)
def test_pages_of_others_are_kept_out(server: Server, headers: dict[str, str], status: int) -> None:
    assert ask(server, "/metrics", **headers)[0] == status
    if status == 403 and "Host" not in headers:
        with pytest.raises(InvalidStatus) as refused, connect(f"{served.ws(server)}/asr", additional_headers=headers):
            pass
        assert refused.value.response.status_code == 403


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    conf = ServeConf(token="secret", origins=["https://talk.example"])
    with served.running(conf) as server:
        body, asr = wave(served.pcm(0.5, fs=FS), FS), f"{served.ws(server)}/asr"
        assert ask(server, "/v1/recordings", body)[0] == 401
        assert ask(server, "/v1/recordings", body, Authorization="Bearer Secret")[0] == 401
        assert ask(server, "/v1/recordings", body, Authorization="Bearer secret")[0] == 200
        assert ask(server, "/v1/recordings?token=secret", body, Origin="https://talk.example")[0] == 200
        assert ask(server, "/metrics")[0] == 401 and ask(server, "/health")[0] == 200
        with pytest.raises(InvalidStatus) as refused, connect(asr):
            pass
        assert refused.value.response.status_code == 401
        with connect(f"{asr}?token=secret") as client:
            assert json.loads(client.recv(60))["type"] == "config"


def test_a_silent_client_and_an_endless_one_are_told_so() -> None:
    with served.running(ServeConf(idle_s=0.3, session_s=1.0)) as server:
        asr = f"{served.ws(server)}/asr?sample_rate=8000"
        with pytest.raises(ConnectionClosed) as closed, connect(asr) as client:
            while True:
                client.recv(60)
        assert closed.value.rcvd.code == 1001 and "no audio came" in closed.value.rcvd.reason
        with (
            pytest.raises(ConnectionClosed) as closed,
            connect(f"{served.ws(server)}/v1/realtime/translations") as client,
        ):
            while True:  # talks, but not of what is spoken
                client.send("{}")
                client.recv(60)
        assert closed.value.rcvd.code == 1001 and "no audio came" in closed.value.rcvd.reason
        with pytest.raises(ConnectionClosed) as closed, connect(asr) as client:
            client.send(served.pcm(2.0, fs=FS))
            while True:
                client.recv(60)
        assert closed.value.rcvd.code == 1008 and "at most 1 s" in closed.value.rcvd.reason
        assert ask(server, "/v1/recordings", wave(served.pcm(2.5, fs=FS), FS))[0] == 413
        assert 'jst_refusals_total{kind="length"} 2\n' in ask(server, "/metrics")[1]


def test_the_end_of_the_server_finishes_sessions() -> None:
    data, state = served.pcm(2.0, fs=16_000, seed=8), {}
    with served.running() as server, connect(f"{served.ws(server)}/asr") as client:
        client.send(data)
        time.sleep(0.2)
        server.finish()
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                state = (
                    json.loads(client.recv(60)) if "lines" not in state else {**state, **json.loads(client.recv(60))}
                )
    assert closed.value.rcvd.code == 1001 and state["type"] == "ready_to_stop"
    words = served.expected(data, 16_000)
    assert " ".join(line["text"] for line in state["lines"] if line["text"]) == served.text(words, "transcript")


@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\nHost: a", b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_connection_without_a_whole_request_is_closed(server: Server, monkeypatch, said: bytes) -> None:
    monkeypatch.setattr("espnet_jst.serving.prompt.REQUEST_S", 0.3)
    host, port = server.listener.getsockname()[:2]
    with socket.create_connection((host, port), timeout=60) as silent:
        silent.sendall(said)
        got = b""
        while piece := silent.recv(4096):
            got += piece
    assert got.startswith(b"HTTP/1.1 200") == said.endswith(b"\r\n\r\n")  # a whole request has its answer first


def test_a_request_that_is_answered_slowly_is_not_cut(server: Server, monkeypatch) -> None:
    monkeypatch.setattr("espnet_jst.serving.prompt.REQUEST_S", 0.3)
    data = served.pcm(1.0, fs=FS)
    with connect(f"{served.ws(server)}/asr?mode=full&sample_rate={FS}") as live:
        assert json.loads(live.recv(60))["type"] == "config"
        time.sleep(0.8)
        live.send(data)
        live.send(b"")
        while json.loads(live.recv(60)) != {"type": "ready_to_stop"}:
            pass


def raw(server: Server, said: bytes, answer: bytes = b"") -> socket.socket:
    """A connection on which something was said, and an answer read."""
    client = socket.create_connection(server.listener.getsockname()[:2], timeout=60)
    client.sendall(said)
    got = b""
    while answer not in got:
        piece = client.recv(4096)
        assert piece, got
        got += piece
    return client


UPGRADE = (
    b"GET /asr HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_a_session_that_begins_behind_another_request_is_not_cut(server: Server, monkeypatch) -> None:
    monkeypatch.setattr("espnet_jst.serving.prompt.REQUEST_S", 0.3)
    said = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" + UPGRADE
    with raw(server, said, b'"config"') as client:
        client.settimeout(0.8)
        with pytest.raises(TimeoutError):
            client.recv(1)
    wait_until_free(server)


def at_most(server: Server, client: socket.socket, flood: bytes, times: int) -> tuple[int, int]:
    """Bytes and messages that waited in the server for a client that reads nothing."""
    answers = messages = 0
    for _ in range(times):
        client.sendall(flood)
        for _ in range(10):
            time.sleep(0.002)
            for connection in list(server.server_state.connections):
                if hasattr(connection, "queue"):
                    answers = max(answers, connection.transport.get_write_buffer_size())
                    messages = max(messages, connection.queue.qsize())
    return answers, messages


def test_pings_of_who_reads_nothing_fill_no_memory(server: Server) -> None:
    with raw(server, UPGRADE, b'"config"') as client:  # more than the buffers of the kernel take
        assert at_most(server, client, (b"\x89\xfdmask" + b"x" * 125) * 750, 150)[0] < 500_000
    wait_until_free(server)


def test_messages_without_audio_do_not_pile_up(server: Server) -> None:
    with raw(server, UPGRADE, b'"config"') as client:  # half a sample each
        assert at_most(server, client, b"\x82\x81mask " * 30_000, 5)[1] < 5000
    wait_until_free(server)


@pytest.mark.parametrize("path", ["/v1/recordings", "/v1/subtitles"])
def test_a_body_that_comes_too_slowly_is_given_up(path: str) -> None:
    with served.running(ServeConf(idle_s=0.3)) as server:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n".encode()
        with raw(server, head) as client:
            client.settimeout(0.05)
            got, deadline = b"", time.monotonic() + 60
            while not got and time.monotonic() < deadline:
                client.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    got = client.recv(4096)
        assert got.startswith(b"HTTP/1.1 408")
        wait_until_free(server, ServeConf().max_sessions)
