"""What each protocol makes of messages and of words, without a socket."""

from __future__ import annotations

import base64
import json
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from espnet_jst.serving.conf import RefusedError
from espnet_jst.serving.protocols import PROTOCOLS
from espnet_jst.serving.protocols.openai_realtime import OpenAIRealtime
from espnet_jst.serving.protocols.simulstream import Simulstream
from espnet_jst.serving.protocols.whisperlivekit import WhisperLiveKit
from espnet_jst.serving.wire import PCM16, Line, Progress, Wire
from espnet_jst.text.words import Word
from tests.serving import served


def word(text: str, start_s: float, lane: str = "transcript", **values: Any) -> Word:
    end_s = start_s + 0.3
    return Word(text, lane, start_s, end_s, values.pop("emission_s", end_s + 0.2), **values)


def test_packets_of_odd_bytes_give_the_samples_of_the_whole() -> None:
    data, pcm = served.pcm(0.1, fs=8000), PCM16()
    parts = [data[:1], data[1:4], data[4:4], data[4:777], data[777:]]
    assert np.array_equal(np.concatenate([pcm.take(part) for part in parts]), PCM16().take(data))


def test_a_line_grows_by_words_with_their_blanks() -> None:
    line = Line()
    first = line.add([word("deep", 0.0), word("learning", 0.4), word(",", 0.8, glued=True)])
    assert (first, line.add([word("深", 1.0), word("度", 1.2)])) == ("deep learning,", "深度")


def openai() -> OpenAIRealtime:
    return OpenAIRealtime({"model": "any"}, served.model())


def event(kind: str, **values: Any) -> str:
    return json.dumps({"type": kind, **values})


def test_openai_sends_the_transcript_from_when_it_is_asked_for() -> None:
    wire = openai()
    [created] = wire.opening()
    assert created["type"] == "session.created" and created["session"]["audio"]["output"]["language"] == "de"
    said = [word("one", 0.0), word("eins", 0.1, "translation", emission_s=0.64)]
    [delta] = wire.show(said, Progress())
    assert (delta["type"], delta["delta"], delta["elapsed_ms"]) == ("session.output_transcript.delta", "eins", 640)
    asked = {"audio": {"input": {"transcription": {"model": "any"}}, "output": {"language": "de-AT"}}}
    [updated] = wire.hear(event("session.update", session=asked)).replies
    assert updated["type"] == "session.updated"
    assert updated["session"]["audio"]["input"]["transcription"] == {"model": "tiny"}
    assert [(e["type"].split(".")[1], e["delta"]) for e in wire.show(said, Progress())] == [
        ("input_transcript", "one"),
        ("output_transcript", " eins"),
    ]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[1]", "no object"),
        (b"\0\0", "binary"),
        (event("session.fly"), "session.fly"),
        (event("session.input_audio_buffer.append", audio="!"), "base64"),
        (event("session.input_audio_buffer.append", audio=5), "base64"),
        (event("session.input_audio_buffer.append"), "base64"),
        (event("session.update"), "an object"),
        (event("session.update", session={"audio": {"output": {"language": "fr"}}}), "translates into 'de'"),
        (event("session.update", session={"audio": {"output": {"language": 7}}}), "no code"),
        (event("session.update", session={"audio": {"output": {"language": "de" * 100_000}}}), "no code"),
    ],
)
def test_openai_answers_a_mistake_and_goes_on(message: str | bytes, said: str) -> None:
    wire = openai()
    heard = wire.hear(message)
    [error] = heard.replies
    assert error["type"] == "error" and said in error["error"]["message"] and not heard.ended
    audio = base64.b64encode(served.pcm(0.1, fs=24_000)).decode()
    assert len(wire.hear(event("session.input_audio_buffer.append", audio=audio)).samples) == 2400
    assert wire.hear(event("session.close")).ended


def test_simulstream_has_the_lane_that_the_languages_say() -> None:
    said = [word("one", 0.0), word("eins", 0.1, "translation"), word("two", 0.5), word("zwei", 0.6, "translation")]
    for languages, text in (
        ({}, "eins zwei"),
        ({"source_lang": "en", "target_lang": "de"}, "eins zwei"),
        ({"source_lang": "en", "target_lang": "en"}, "one two"),
    ):
        wire = Simulstream({}, served.model())
        wire.hear(json.dumps({"sample_rate": 8000, **languages, "metrics_metadata": {"wav_name": "/etc/passwd"}}))
        assert (wire.fs, wire.show(said, Progress())) == (8000, [{"new": text, "deleted": ""}])


@pytest.mark.parametrize("rate", [0, -1, 1e9, "fast", None, [], 7999, 16000.5, float("inf"), True])
def test_simulstream_refuses_rates_that_are_none(rate: object) -> None:
    with pytest.raises(RefusedError, match="sampling rate"):
        Simulstream({}, served.model()).hear(json.dumps({"sample_rate": rate}))


def test_simulstream_refuses_settings_that_come_too_late_and_languages_that_it_has_not() -> None:
    wire = Simulstream({}, served.model())
    wire.hear(b"\0\0")
    with pytest.raises(RefusedError, match="before the audio"):
        wire.hear('{"sample_rate": 8000}')
    with pytest.raises(RefusedError, match="translates into 'de'"):
        Simulstream({}, served.model()).hear('{"target_lang": "it"}')


TALK = [
    [word("one", 0.0), word("two", 0.4)],
    [word("eins", 0.1, "translation"), word("three", 2.0)],
    [word("zwei", 0.5, "translation"), word("drei", 2.1, "translation"), word("four", 8.0, speaker="other")],
    [word("five", 9.5, speaker="other"), word("vier", 8.1, "translation"), word("six", 30.0)],
]
LINES = [
    {"speaker": 1, "text": "one two", "start": "0:00:00", "end": "0:00:00", "translation": "eins zwei"},
    {"speaker": 1, "text": "three", "start": "0:00:02", "end": "0:00:02", "translation": "drei"},
    {"speaker": 2, "text": "four", "start": "0:00:08", "end": "0:00:08", "translation": "vier"},
    {"speaker": 2, "text": "five", "start": "0:00:09", "end": "0:00:09"},
    {"speaker": 1, "text": "six", "start": "0:00:30", "end": "0:00:30"},
]


def test_whisperlivekit_full_says_all_lines_each_time() -> None:
    wire = WhisperLiveKit({}, served.model())
    assert wire.opening() == [{"type": "config", "useAudioWorklet": True, "mode": "full"}]
    states = [state for said in TALK for state in wire.show(said, Progress(waiting_s=0.25))]
    assert states[-1]["lines"] == LINES and "type" not in states[-1]
    assert states[0]["lines"] == [{key: LINES[0][key] for key in ("speaker", "text", "start", "end")}]
    assert states[0]["status"] == "active_transcription" and states[0]["remaining_time_transcription"] == 0.25
    assert wire.closing() == [{"type": "ready_to_stop"}]


def test_whisperlivekit_diff_adds_up_to_the_same_lines_and_its_buffers_hold_the_rest() -> None:
    wire, lines, texts = WhisperLiveKit({"mode": "diff"}, served.model()), [], []
    states = [state for said in TALK for state in wire.show(said, Progress())] + [*wire.closing()]
    assert [state.get("seq") for state in states] == [1, 2, 3, 4, 5, None] and states[0]["type"] == "snapshot"
    for state in states[:-1]:
        lines += state.get("lines", state.get("new_lines", []))
        assert len(lines) == state.get("n_lines", len(lines)) and "lines_pruned" not in state
        texts.append(" ".join([line["text"] for line in lines] + [state["buffer_transcription"]]).strip())
    assert lines == LINES and states[-1] == {"type": "ready_to_stop"}
    assert texts[0] == "one two" and all(later.startswith(text) for text, later in pairwise(texts))


def test_whisperlivekit_refuses_files_and_text_with_what_to_do() -> None:
    for message in (b"\x1a\x45\xdf\xa3webm", b"RIFF....WAVE", "hello"):
        with pytest.raises(RefusedError, match=r"16-bit|binary"):
            WhisperLiveKit({}, served.model()).hear(message)
    with pytest.raises(RefusedError, match="full or diff"):
        WhisperLiveKit({"mode": "other"}, served.model())
    assert WhisperLiveKit({}, served.model()).hear(b"").ended


def anything(rng: random.Random, depth: int = 0) -> Any:
    """A value of JSON with the words of the protocols in it."""
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind > 5:
        keys = (*("type", "session", "audio", "input", "output", "language", "transcription", "event_id"), *SIMULSTREAM)
        return {key: anything(rng, depth + 1) for key in rng.sample(keys, rng.randrange(5))}
    if kind == 5:
        return [anything(rng, depth + 1) for _ in range(rng.randrange(3))]
    words = ("session.update", "session.close", "session.input_audio_buffer.append", "AAAA", "A", "de", "\ud800")
    numbers = (0, -1, 1e9, 16_000, 8000.5, float("nan"), float("inf"), 10**400, "1" * 5000)
    return (None, True, rng.choice(words), rng.choice(numbers), rng.randbytes(rng.randrange(5)).decode("latin-1"))[kind]


SIMULSTREAM = ("sample_rate", "source_lang", "target_lang", "metrics_metadata", "wav_name", "end_of_stream")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_message_does_more_than_being_refused(protocol: type[Wire]) -> None:
    rng, refused = random.Random(0), 0
    wire = protocol({}, served.model())
    for _ in range(3000):
        message: str | bytes = rng.randbytes(rng.randrange(9))
        if rng.random() < 0.8:
            value = anything(rng)
            message = json.dumps({"type": anything(rng, 4), **value} if isinstance(value, dict) else value)
        try:
            json.dumps(list(wire.hear(message).replies))
        except RefusedError:
            refused, wire = refused + 1, protocol({}, served.model())
    assert protocol is OpenAIRealtime or refused > 100
