"""Whatever holds audio is read block by block, into the same samples."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.signal import Remark
from espnet_jst.errors import DataError
from espnet_jst.inference.audio.recording import AudioWarning, Recording, packets, recording_of, take
from tests.inference import tiny

FS = 8000
SPEECH = np.round(tiny.speech(1.0, seed=1) * 2**15).astype(np.int16)


def wav(samples: np.ndarray = SPEECH, fs: int = FS, form: str = "WAV", **options: Any) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, fs, format=form, **options)
    return stream.getvalue()


def heard(speech: Any, fs: int | None = None, said: list[Remark] | None = None) -> np.ndarray:
    notify = (lambda name, remark: said.append(remark)) if said is not None else lambda name, remark: None
    with Recording(speech, fs, notify=notify) as recording:
        blocks = list(recording.blocks())
    assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
    return np.concatenate(blocks)


class Decoder:
    """What newer versions of `datasets` give in place of a dictionary."""

    def get_all_samples(self) -> Any:
        return type("Samples", (), {"data": torch.tensor(SPEECH / 2**15)[None], "sample_rate": FS})


def test_every_form_of_the_same_recording_gives_the_same_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    floats = SPEECH / 2**15
    forms: list[tuple[Any, int | None]] = [
        *((source, None) for source in (path, str(path), wav(), bytearray(wav()), io.BytesIO(wav()), Decoder())),
        *(({"array": floats, "sampling_rate": FS, "path": None}, None), ({"bytes": wav(), "path": "a.wav"}, None)),
        *(({"bytes": None, "path": str(path)}, None), (SPEECH, FS), (SPEECH.astype(np.int32) << 16, FS)),
        *((floats.tolist(), FS), (np.stack([floats, floats], 1), FS), (np.stack([floats, floats]), FS)),
        *((torch.tensor(SPEECH)[None, None], FS), (wav(form="FLAC"), None), (wav(np.stack([SPEECH] * 2, 1)), None)),
    ]
    for speech, fs in forms:
        np.testing.assert_allclose(heard(speech, fs), floats, atol=1e-7)
    with path.open("rb") as stream:
        np.testing.assert_allclose(heard(stream), floats, atol=1e-7)
        assert not stream.closed


def test_a_pipe_is_read_to_its_end() -> None:
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as stream:
            stream.write(wav())

    thread = threading.Thread(target=write)
    thread.start()
    np.testing.assert_allclose(heard(f"/dev/fd/{reader}"), SPEECH / 2**15)
    thread.join()
    os.close(reader)


@pytest.mark.parametrize(
    ("speech", "message"),
    [
        ({"a": 1}, r"a dictionary of \['a'\]"),
        ({"array": SPEECH}, "one rate is needed"),
        ("no/such.wav", "no such file"),
        ("touch never |", "a command, not a file"),
        (".", "a folder"),
        (b"", "0 bytes"),
        (io.StringIO("text"), 'open it with "rb"'),
        (np.stack([SPEECH, -SPEECH]), "cancel each other"),
        (SPEECH.astype(np.int32), "16-bit values in 32 bits"),
        (np.where(np.arange(8000) == 5, 1e4, SPEECH / 2**15), "single samples up to 1e"),
        (np.where(np.arange(200000) == 199999, 1e30, 0.1), r"a sample of 1e\+30"),
        (np.zeros(0), "no samples"),
    ],
)
def test_what_is_not_usable_is_refused_with_its_reason(speech: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        heard(speech, None if isinstance(speech, (dict, str, bytes, io.StringIO)) else FS)


def test_what_is_doubtful_is_said_once() -> None:
    said: list[Remark] = []
    heard(np.stack([SPEECH, SPEECH], 1).astype(float), FS, said)
    assert [remark.kind for remark in said] == ["audio-stereo", "audio-loud"]
    with pytest.warns(AudioWarning, match="2 channels are mixed down"), Recording(np.zeros((9, 2)), FS):
        pass


def test_a_rate_that_contradicts_the_header_or_is_out_of_reach_is_refused() -> None:
    assert len(heard(wav(fs=96000))) == len(SPEECH)
    for speech, fs, message in [(wav(), 16000, "8000 Hz"), (wav(fs=4000), None, "4000 Hz"), (SPEECH, 10**6, "1000000")]:
        with pytest.raises(DataError, match=message):
            heard(speech, fs)


def test_samples_without_a_rate_have_the_models_and_files_their_own() -> None:
    with recording_of(SPEECH, None, 16000) as samples, recording_of(wav(), None, 16000) as file:
        assert (samples.fs, file.fs) == (16000, 8000)


def test_only_what_is_asked_for_is_taken() -> None:
    asked: list[int] = []

    def blocks():
        for i in range(5):
            asked.append(i)
            yield np.full(10, i, dtype=np.float32)

    taken, rest = take(blocks(), 25)
    assert asked == [0, 1, 2] and sum(map(len, taken)) == 20
    assert rest is not None and [int(block[0]) for block in rest] == [2, 3, 4]
    assert take(blocks(), 50)[1] is None
    assert [len(packet) for packet in packets(blocks(), 6)] == [6, 4] * 5


def test_ffmpeg_reads_what_libsndfile_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in ffmpeg's place: it makes the WAV file of a "container" that holds one behind twelve bytes."""
    strange = tmp_path / "a.m4a"
    strange.write_bytes(b"\0\0\0\x20ftypM4A " + wav())
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(BadItem, match=r"a\.m4a.*MP4 or M4A.*ffmpeg on the path"):
        heard(strange)
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nwhile [ $# -gt 1 ]; do if [ "$1" = -i ]; then file=${2#file:}; fi; shift; done\n'
        'if grep -q ftyp "$file"; then tail -c +13 "$file"; else echo "moov atom not found" >&2; exit 1; fi\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    for speech in (strange, strange.read_bytes(), io.BytesIO(strange.read_bytes())):
        np.testing.assert_allclose(heard(speech), SPEECH / 2**15)
    with pytest.raises(BadItem, match="neither libsndfile nor ffmpeg can read it .moov atom not found"):
        heard(b"\x1a\x45\xdf\xa3\0\xff no audio")
    with pytest.raises(BadItem, match="it is text"):
        heard(b"only a text")
    program.write_text(program.read_text() + "echo 'File ended prematurely' >&2\n")
    with pytest.raises(BadItem, match=r"cut short or damaged .File ended prematurely"):
        heard(strange)  # ffmpeg calls half of a file a success
    with pytest.raises(BadItem, match="convert them apart"):
        heard(wav() + wav(fs=FS // 2))  # of which it would take the first
