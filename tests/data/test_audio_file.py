from __future__ import annotations

import io
import os
import threading
import tracemalloc
from collections import deque

import numpy as np
import pytest
import soundfile

from espnet_jst.data import audio_file
from espnet_jst.data.audio_file import AudioFile
from espnet_jst.data.bad_item import BadItem


@pytest.fixture
def tone() -> np.ndarray:
    return (0.3 * np.sin(np.arange(8000) * 0.3)).astype(np.float32)


def test_a_good_file_gives_its_samples_and_rate(tmp_path, tone):
    soundfile.write(tmp_path / "a.flac", tone, 8000)
    samples, fs = audio_file.read(tmp_path / "a.flac")
    assert fs == 8000
    assert samples.shape == (8000, 1)
    assert np.abs(samples[:, 0] - tone).max() < 1e-4


def test_a_segment_is_cut_to_the_sample(tmp_path, tone):
    soundfile.write(tmp_path / "a.wav", tone, 8000, subtype="FLOAT")
    with AudioFile(tmp_path / "a.wav") as audio:
        samples = np.concatenate(list(audio.blocks(*audio.range(0.25, 0.5))))
    assert np.array_equal(samples[:, 0], tone[2000:4000])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadItem, match=r"gone\.wav: no such file; correct wav\.scp"):
        audio_file.read(tmp_path / "gone.wav")


def test_an_empty_file_is_told_from_a_header_without_samples(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "header.wav", np.zeros(0, np.float32), 8000)
    with pytest.raises(BadItem, match="0 bytes"):
        audio_file.read(tmp_path / "empty.wav")
    with pytest.raises(BadItem, match="header without samples"):
        audio_file.read(tmp_path / "header.wav")


def test_a_file_that_is_not_audio_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF this is no audio at all" * 20)
    with pytest.raises(BadItem, match="not readable as audio"):
        audio_file.read(tmp_path / "a.wav")


@pytest.mark.parametrize(("name", "kwargs"), [("a.wav", {}), ("a.flac", {}), ("a.ogg", {"subtype": "VORBIS"})])
def test_a_file_that_was_cut_short_is_refused(tmp_path, tone, name, kwargs):
    path = tmp_path / name
    soundfile.write(path, np.tile(tone, 20), 8000, **kwargs)
    content = path.read_bytes()
    assert len(audio_file.read(path)[0]) == 160000
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(BadItem, match="again"):
        audio_file.read(path)


def test_an_aiff_file_that_was_cut_short_is_refused(tmp_path, tone):
    soundfile.write(tmp_path / "a.aiff", tone, 8000)
    assert len(audio_file.read(tmp_path / "a.aiff")[0]) == 8000
    (tmp_path / "a.aiff").write_bytes((tmp_path / "a.aiff").read_bytes()[:9000])
    with pytest.raises(BadItem, match="ends before its header says"):
        audio_file.read(tmp_path / "a.aiff")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        (b"\0\0\0\x20ftypM4A \0\0", "MP4"),
        (
            b"NIST_1A\n   1024\nsample_coding -s27 ulaw,embedded-shorten-v2.00\nend_head\n".ljust(1024),
            "sph2pipe -f wav",
        ),
        ("<html>nicht gefunden: für später</html>".encode(), "it is text"),
        (bytes(range(256)), "not readable as audio"),
    ],
)
def test_a_file_that_is_something_else_is_called_what_it_is(tmp_path, content, what):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(BadItem, match=what) as error:
        audio_file.read(tmp_path / "a.wav")
    assert error.value.kind == "audio-unreadable"


@pytest.mark.parametrize("name", ["x" * 4000 + ".wav", "a.raw"])
def test_a_path_that_cannot_be_audio_is_no_crash(tmp_path, name):
    (tmp_path / "a.raw").write_bytes(bytes(100))
    with pytest.raises(BadItem):
        audio_file.read(tmp_path / name)


def test_damaged_data_in_the_middle_is_refused(tmp_path, tone):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.tile(tone, 20), 8000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(bytes(content))
    with pytest.raises(BadItem, match=r"a\.flac"):
        audio_file.read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_counted(tmp_path, tone, value):
    tone[[5, 70]] = value
    soundfile.write(tmp_path / "a.wav", tone, 8000, subtype="FLOAT")
    with pytest.raises(BadItem, match="2 samples are NaN or infinite"):
        audio_file.read(tmp_path / "a.wav")


def test_a_segment_outside_the_file_is_refused(tmp_path, tone):
    soundfile.write(tmp_path / "a.wav", tone, 8000)
    match = r"segment 0\.50-2\.00 s lies outside the file \(1\.00 s\)"
    with AudioFile(tmp_path / "a.wav") as audio, pytest.raises(BadItem, match=match):
        audio.range(0.5, 2.0)


class Reader:
    """No more than a stream that can be read, such as the answer of a server."""

    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read


@pytest.mark.parametrize("kind", ["bytes", "view", "path", "file", "stream in memory", "pipe", "reader"])
def test_whatever_holds_a_file_is_read(tmp_path, tone, kind):
    soundfile.write(tmp_path / "a.wav", tone, 8000)
    content = (tmp_path / "a.wav").read_bytes()
    if kind == "pipe":
        reading, writing = os.pipe()
        threading.Thread(target=lambda: (os.write(writing, content), os.close(writing))).start()
        source = os.fdopen(reading, "rb")
    else:
        makers = {
            "bytes": lambda: content,
            "view": lambda: memoryview(content),
            "path": lambda: tmp_path / "a.wav",
            "file": lambda: open(tmp_path / "a.wav", "rb"),  # noqa: SIM115
            "stream in memory": lambda: io.BytesIO(content),
            "reader": lambda: Reader(content),
        }
        source = makers[kind]()
    samples, fs = audio_file.read(source)
    assert (fs, samples.shape) == (8000, (8000, 1))
    if hasattr(source, "close"):
        assert not source.closed
        source.close()


def test_bytes_count_and_not_the_name(tmp_path, tone):
    soundfile.write(tmp_path / "a.wav", tone, 8000)
    (tmp_path / "a.wav").rename(tmp_path / "a.raw")
    assert len(audio_file.read(tmp_path / "a.raw")[0]) == 8000


@pytest.mark.parametrize("form", ["WAV", "FLAC", "MP3", "OGG", "AIFF"])
@pytest.mark.parametrize("joined", [False, True])
def test_a_piece_is_the_same_whether_it_is_sought_or_read_up_to(tmp_path, tone, form, joined):
    wave = 0.1 * np.random.default_rng(0).standard_normal(8000 * 50)
    soundfile.write(tmp_path / "a", wave, 8000, format=form)
    content = (tmp_path / "a").read_bytes() * (2 if joined and form != "AIFF" else 1)
    whole, _ = audio_file.read(content)
    last = len(whole) - 1000  # in the last page of Ogg, where libsndfile misses its aim
    for start, stop in ((0, 100), (20000, 30000), (300000, 301000), (last, len(whole)), (last - 2000, last)):
        with AudioFile(content) as audio:
            piece = np.concatenate(list(audio.blocks(start, stop)))
        assert len(piece) == stop - start
        assert np.abs(piece - whole[start:stop]).max() < 1e-5


def test_memory_does_not_grow_with_the_length_or_with_what_a_header_promises(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(8000 * 3600, np.int16), 8000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[22:26] = b"\xff\xff\xff\xff"  # 4,294,967,295 samples
    tracemalloc.start()
    with AudioFile(bytes(content)) as audio:
        with pytest.raises(BadItem, match="28800000 of 4294967295 samples can be decoded"):
            deque(audio.signal(), maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


@pytest.mark.parametrize("error", [RuntimeError("odd"), ValueError("odd"), OverflowError("odd"), MemoryError()])
@pytest.mark.parametrize("where", ["__init__", "read"])
def test_whatever_a_library_raises_is_an_error_of_that_file(tmp_path, tone, monkeypatch, error, where):
    def fail(*_: object, **__: object) -> None:
        raise error

    soundfile.write(tmp_path / "a.wav", tone, 8000)
    monkeypatch.setattr(soundfile.SoundFile, where, fail)
    monkeypatch.setattr(soundfile.SoundFile, "__del__", lambda self: None)
    monkeypatch.setattr(soundfile.SoundFile, "__exit__", lambda self, *_: None)
    with pytest.raises(BadItem, match=r"a\.wav: .*(odd|not enough memory)"):
        audio_file.read(tmp_path / "a.wav")


class Interrupted(io.BytesIO):
    """A stream during whose reading somebody presses Ctrl-C."""

    armed = False

    def read(self, *arguments: int) -> bytes:
        if self.armed:
            raise KeyboardInterrupt
        return super().read(*arguments)


def test_an_interruption_inside_of_the_decoder_is_no_end_of_the_file(tone):
    stream = Interrupted()
    soundfile.write(stream, np.tile(tone, 60), 8000, format="WAV")
    with AudioFile(stream) as audio:
        stream.armed = True
        with pytest.raises(KeyboardInterrupt):
            deque(audio.blocks(), maxlen=0)


def test_a_command_is_never_run_and_the_message_names_what_runs_it(tmp_path):
    with pytest.raises(BadItem, match="convert-pipes DIR OUT") as error:
        audio_file.read(f"touch {tmp_path}/ran |")
    assert error.value.kind == "audio-command"
    assert not (tmp_path / "ran").exists()


def test_a_file_that_changes_is_examined_again(tmp_path, tone):
    for length in (8000, 4000, 8000):
        soundfile.write(tmp_path / "a.flac", tone[:length], 8000)
        assert audio_file.inspect(tmp_path / "a.flac").samples == length
        assert len(audio_file.read(tmp_path / "a.flac")[0]) == length
