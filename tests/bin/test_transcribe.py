"""One recording in, both lanes out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.bin import cli
from espnet_jst.inference import Speech2Text
from tests.inference import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), folder)
    return str(folder)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio")
    soundfile.write(folder / "a.wav", tiny.speech(2.0, seed=1), 8000)
    soundfile.write(folder / "b.flac", tiny.speech(1.5, fs=16000, seed=2), 16000)
    soundfile.write(folder / "stereo.wav", np.zeros((800, 2)), 8000)
    (folder / "broken.wav").write_bytes(b"RIFF....")
    return folder


def words_of(model: str, path: Path) -> list:
    samples, fs = soundfile.read(path, dtype="float32")
    return Speech2Text.from_pretrained(model)(samples, fs)[0][3].words


def test_json_holds_both_lanes_with_times(model: str, audio: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["transcribe", str(audio / "b.flac"), "--model", model, "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [(w["text"], w["lane"], w["emission_s"]) for w in content["words"]] == [
        (w.text, w.lane, w.emission_s) for w in words_of(model, audio / "b.flac")
    ]


@pytest.mark.parametrize("form", ["srt", "vtt", "ttml", "txt"])
def test_subtitles_go_to_a_file_each(model: str, audio: Path, tmp_path: Path, form: str) -> None:
    files = [str(audio / "a.wav"), str(audio / "b.flac")]
    assert cli.main(["transcribe", *files, "--model", model, "--format", form, "--output_dir", str(tmp_path)]) == 0
    first = words_of(model, audio / "a.wav")[0]
    assert first.text in (tmp_path / f"a.{form}").read_text()
    assert (tmp_path / f"b.{form}").exists()


def test_bad_files_get_a_message_each_and_the_others_go_on(
    model: str, audio: Path, capsys: pytest.CaptureFixture
) -> None:
    names = ["missing.wav", "stereo.wav", "broken.wav", "a.wav"]
    assert cli.main(["transcribe", *(str(audio / name) for name in names), "--model", model]) == 1
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(errors) == 3
    assert all(name in line for name, line in zip(names, errors, strict=False))
    assert "a.wav:" in out


def test_a_stream_without_a_terminal_is_a_line_a_word(model: str, audio: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["transcribe", str(audio / "a.wav"), "--model", model, "--stream"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    expected = words_of(model, audio / "a.wav")
    assert [line.split()[-2:] for line in lines] == [[word.lane, word.text] for word in expected]


def test_a_missing_model_is_one_message(audio: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["transcribe", str(audio / "a.wav"), "--model", "no/such/model"]) == 1
    err = capsys.readouterr().err
    assert "no/such/model" in err and "Traceback" not in err


def test_two_files_of_one_name_are_not_overwritten(model: str, audio: Path, tmp_path: Path) -> None:
    twice = [str(audio / "a.wav")] * 2
    assert cli.main(["transcribe", *twice, "--model", model, "--output_dir", str(tmp_path)]) == 1
    assert not list(tmp_path.iterdir())
