"""What comes through a pipe is heard as it comes."""

from __future__ import annotations

import io
import os
import struct
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from espnet_jst.data.bad_item import BadItem
from espnet_jst.inference.audio.recording import Recording
from tests.inference import tiny

FS = 8000
SPEECH = (tiny.speech(1.0) * 2**15).astype(np.int16)


def wav(samples: np.ndarray = SPEECH, coding: str = "PCM_16", form: str = "WAV", fs: int = FS) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, fs, format=form, subtype=coding)
    return stream.getvalue()


class Pipe(io.RawIOBase):
    """Gives its content a few bytes at once, and cannot seek."""

    def __init__(self, content: bytes, most: int = 1001) -> None:
        self._content, self._most = io.BytesIO(content), most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def, override]
        found = self._content.read(min(self._most, len(buffer)))
        buffer[: len(found)] = found
        return len(found)


def heard(content: bytes, **options: int) -> np.ndarray:
    with Recording(Pipe(content), name="x", notify=lambda *_: None, **options) as recording:
        return np.concatenate(list(recording.blocks()))


@pytest.mark.parametrize("coding", ["PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_pipe_gives_the_samples_of_the_file(coding: str, channels: int) -> None:
    content = wav(np.stack([SPEECH] * channels, 1), coding)
    with Recording(content, notify=lambda *_: None) as recording:
        expected = np.concatenate(list(recording.blocks()))
    np.testing.assert_array_equal(heard(content), expected)


@pytest.mark.parametrize("form", ["FLAC", "AIFF", "RF64"])
@pytest.mark.parametrize("coding", ["PCM_16", "PCM_24"])
def test_what_is_no_plain_wave_is_looked_at_first(form: str, coding: str) -> None:
    assert len(heard(wav(coding=coding, form=form))) == len(SPEECH)
    assert len(heard(wav(coding="IMA_ADPCM"))) >= len(SPEECH)


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 2 * len(SPEECH) + 44])
def test_a_size_that_the_writer_did_not_know_is_no_end(size: int) -> None:
    content = wav()
    assert len(heard(content[:40] + struct.pack("<I", size) + content[44:])) == len(SPEECH)


def test_a_size_that_the_whole_contradicts_is_no_end() -> None:
    assert len(heard(wav()[:40] + struct.pack("<I", 10**6) + wav()[44:])) == len(SPEECH)


CHUNK = b"LIST" + struct.pack("<I", 9000) + b"INFO" + bytes(8996)


@pytest.mark.parametrize("tail", [CHUNK, CHUNK + CHUNK, b"\1\2\3"])
def test_what_follows_the_samples_is_no_audio(tail: bytes) -> None:
    assert len(heard(wav() + tail)) == len(SPEECH)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (wav()[:-4000], "audio-truncated"),
        (wav()[:44], "audio-header-only"),
        (wav() + wav(fs=16000), "audio-joined"),
        (wav() + CHUNK + wav(), "audio-joined"),
        (wav()[:40] + bytes(4) + wav()[44:] + wav(), "audio-joined"),
        (wav()[:40] + struct.pack("<I", 100) + wav()[44:], "audio-header"),
        (wav()[:40] + struct.pack("<I", 100) + wav()[44:144] + b"good" + wav()[148:], "audio-header"),
        (b"", "audio-empty"),
    ],
)
def test_half_of_the_audio_is_never_the_whole(content: bytes, kind: str) -> None:
    with pytest.raises(BadItem) as error:
        heard(content)
    assert error.value.kind == kind and str(error.value).startswith("x: ")


def test_samples_without_a_header_need_their_rate_alone() -> None:
    np.testing.assert_allclose(heard(wav()[44:], raw_fs=FS), SPEECH / 2**15)


@pytest.mark.parametrize("raw", [False, True])
def test_the_first_samples_come_before_the_last_are_written(raw: bool) -> None:
    reader, writer = os.pipe()
    first = threading.Event()
    content = wav()[44:] if raw else wav()

    def write() -> None:
        with os.fdopen(writer, "wb", buffering=0) as stream:
            stream.write(content[:4000])
            assert first.wait(10)
            stream.write(content[4000:])

    thread = threading.Thread(target=write)
    thread.start()

    def listened(blocks: Iterator[np.ndarray]) -> Iterator[int]:
        for block in blocks:
            first.set()
            yield len(block)

    started = time.monotonic()
    with Recording(f"/dev/fd/{reader}", raw_fs=FS if raw else None) as recording:
        assert sum(listened(recording.blocks())) == len(SPEECH)
    thread.join()
    os.close(reader)
    assert time.monotonic() - started < 9
