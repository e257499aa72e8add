"""Clients that others wrote, as they are."""

from __future__ import annotations

import base64
import json
import logging
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from espnet_jst.serving.conf import ServeConf
from espnet_jst.serving.server import Server
from tests.serving import served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served.running(ServeConf(simulstream_log=str(tmp_path_factory.mktemp("logs") / "log.jsonl"))) as server:
        yield server


def test_openais_client_gets_both_lanes(server: Server) -> None:
    openai = pytest.importorskip("openai")
    data = served.pcm(3.0, fs=24_000, seed=1)
    client = openai.OpenAI(base_url=f"{served.http(server)}/v1", api_key="none")
    texts, kinds = {"input": "", "output": ""}, []
    with client.realtime.translations.connect(model="whatever") as connection:
        connection.session.update(
            session={"audio": {"input": {"transcription": {"model": "any"}}, "output": {"language": "de"}}}
        )
        for start in range(0, len(data), 9600):
            connection.session.input_audio_buffer.append(audio=base64.b64encode(data[start : start + 9600]).decode())
        connection.session.close()
        for event in connection:
            kinds.append(event.type)
            if event.type.endswith("_transcript.delta"):
                texts[event.type.split(".")[1].split("_")[0]] += event.delta
    words = served.expected(data, 24_000)
    assert kinds[:2] == ["session.created", "session.updated"] and kinds[-1] == "session.closed"
    assert "error" not in kinds
    assert texts == {"input": served.text(words, "transcript"), "output": served.text(words, "translation")}
    assert all(texts.values())


@pytest.mark.parametrize(("target", "lane", "fs"), [("de", "translation", 16_000), ("en", "transcript", 8000)])
def test_simulstreams_command_gets_a_lane(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    target: str,
    lane: str,
    fs: int,
) -> None:
    client = pytest.importorskip("simulstream.client.wav_reader_client")
    recordings = [served.pcm(2.0 + k, fs=fs, seed=k) for k in range(2)]
    for k, data in enumerate(recordings):
        with wave.open(str(tmp_path / f"{target}{k}.wav"), "wb") as file:
            file.setparams((1, 2, fs, 0, "NONE", ""))
            file.writeframes(data)
    (tmp_path / "list").write_text(f"{target}0.wav\n{target}1.wav\n")
    command = ["client", "--uri", f"{served.ws(server)}/", "--wav-list-file", str(tmp_path / "list")]
    monkeypatch.setattr(sys, "argv", [*command, "--src-lang", "en", "--tgt-lang", target])
    with caplog.at_level(logging.DEBUG, client.LOGGER.name):
        client.cli_main()
    texts, text = [], ""
    for record in caplog.records:
        if record.name == client.LOGGER.name and record.getMessage().startswith("{"):
            message = json.loads(record.getMessage())
            text += message.get("new", "")
            assert not message.get("deleted")
            if "end_of_processing" in message:
                texts, text = [*texts, text], ""
    # This client sends the last tenth of a second twice.
    heard = [data + data[-2 * (fs // 10) :] for data in recordings]
    words = [[word for word in served.expected(data, fs) if word.lane == lane] for data in heard]
    assert texts == [served.text(own, lane) for own in words] and all(texts)
    # What its metrics read of the server's log: the same texts, each word with the audio heard when it was shown.
    readers = pytest.importorskip("simulstream.metrics.readers")
    config = SimpleNamespace(detokenizer_type="simuleval", latency_unit="word")
    path = server.scheduler.conf.simulstream_log
    found = readers.LogReader(config, path).final_outputs_and_latencies()
    for k, own in enumerate(words):
        assert found[f"{target}{k}"].final_text == texts[k]
        assert found[f"{target}{k}"].ideal_delays == pytest.approx([word.emission_s for word in own], abs=1e-3)
