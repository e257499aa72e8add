"""One recording in, both lanes out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.bin import cli
from espnet_jst.inference import Speech2Text
from espnet_jst.inference.audio.recording import Recording
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
    tone = 0.3 * np.sin(np.arange(800) / 9)
    soundfile.write(folder / "cancelled.wav", np.stack([tone, -tone], 1), 8000)
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
    names = ["missing.wav", "cancelled.wav", "broken.wav", "a.wav"]
    assert cli.main(["transcribe", *(str(audio / name) for name in names), "--model", model]) == 1
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(errors) == 3
    assert all(any(name in line for line in errors) for name in names[:3])
    assert "a.wav:" in out
    assert err.splitlines()[-1].startswith("failed: 3 of 4 files: ")
    assert all(name in err.splitlines()[-1] for name in names[:3])


def test_an_error_of_any_library_is_that_files_alone(
    model: str, audio: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Speech2Text.decode_recording

    def strange(self: Speech2Text, recording: Recording) -> list:
        if "a.wav" in recording.name:
            raise ZeroDivisionError("of a library\nwith a second line")
        return decode(self, recording)

    monkeypatch.setattr(Speech2Text, "decode_recording", strange)
    assert cli.main(["transcribe", str(audio / "a.wav"), str(audio / "b.flac"), "--model", model]) == 1
    out, err = capsys.readouterr()
    assert f"error: {audio / 'a.wav'}: ZeroDivisionError: of a library\n" in err and "Traceback" not in err
    assert "b.flac:" in out


def test_a_folder_standard_input_and_stereo_are_taken(
    model: str, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, fs = soundfile.read(audio / "a.wav", dtype="int16")
    for name in ("2.wav", "1.wav"):
        soundfile.write(tmp_path / name, np.stack([samples, samples], 1), fs)
    (tmp_path / "notes.txt").write_text("no audio")
    with (audio / "a.wav").open("rb") as stream:
        monkeypatch.setattr("sys.stdin", type("Standard", (), {"buffer": stream}))
        assert cli.main(["transcribe", str(tmp_path), "-", "--model", model, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    entries = [json.loads(line) for line in out.splitlines()]
    assert [entry["file"] for entry in entries] == [str(tmp_path / "1.wav"), str(tmp_path / "2.wav"), "standard input"]
    expected = [word.text for word in words_of(model, audio / "a.wav")]
    assert all([word["text"] for word in entry["words"]] == expected for entry in entries)
    assert err.count("2 channels are mixed down") == 1 and "1 more" in err


def test_a_folder_without_audio_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["transcribe", str(tmp_path), "--model", "none"]) == 1
    assert "no audio file in this folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output_dir", "{file}"], "cannot be written"),
        (["--output_dir", "{taken}"], "is a folder"),
        (["--device", "cuda:99"], "device cuda:99"),
        (["--beam_size", "0"], "beam_size"),
        (["--raw_fs", "0"], "--raw_fs 0: a rate in Hz"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_model_is_loaded(
    audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], message: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "a.txt").mkdir(parents=True)
    options = [option.format(file=tmp_path / "file", taken=tmp_path / "taken") for option in options]
    assert cli.main(["transcribe", str(audio / "a.wav"), "--model", "no/model", *options]) == 1
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1


def test_one_file_is_open_at_a_time_and_none_is_read_before_the_model_is_there(
    model: str, audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    load, blocks = Speech2Text.from_pretrained, Recording.blocks

    def logged(self: Recording) -> Iterator[np.ndarray]:
        events.append("read")
        yield from blocks(self)

    close = Recording.__exit__

    def closed(self: Recording, *error: object) -> None:
        events.append("closed")
        close(self, *error)  # type: ignore[arg-type]

    monkeypatch.setattr(Speech2Text, "from_pretrained", lambda *a, **k: (events.append("model"), load(*a, **k))[1])
    monkeypatch.setattr(Recording, "blocks", logged)
    monkeypatch.setattr(Recording, "__exit__", closed)
    assert cli.main(["transcribe", str(audio / "a.wav"), str(audio / "b.flac"), "--model", model]) == 0
    assert events == ["model", "read", "closed", "read", "closed"]


def test_an_empty_result_says_so(model: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    soundfile.write(tmp_path / "short.wav", np.full(8, 0.1), 8000)
    assert cli.main(["transcribe", str(tmp_path / "short.wav"), "--model", model, "--format", "srt"]) == 0
    out, err = capsys.readouterr()
    assert "short.wav: no words were recognised" in err or "-->" in out


def test_standard_output_is_utf_8_and_may_close(tmp_path: Path) -> None:
    """In a locale of ASCII, and with a reader that has read enough: no traceback, the status of a broken pipe."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nfrom espnet_jst.bin.arguments import run_main\n"
        "from espnet_jst.bin.transcribe import _prefer_utf8\n"
        "_prefer_utf8(document=False)\n"
        "def body():\n    for _ in range(int(sys.argv[1])): print('\\u00fcber \\u4e00 \\udcff')\n"
        "sys.exit(run_main(body))\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    def start(lines: int) -> subprocess.Popen:
        command = [sys.executable, str(program), str(lines)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    assert start(1).communicate() == ("\u00fcber \u4e00 \\udcff\n".encode(), b"")
    process = start(100_000)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141


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


def test_names_of_any_bytes_end_nothing(model: str, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Bytes that are no UTF-8 stand in the document as escapes, a line feed in a name is no line."""
    strange = tmp_path / os.fsdecode(b"\xff.wav")
    strange.write_bytes((audio / "a.wav").read_bytes())
    files, out = [str(strange), str(audio / "b.flac"), str(tmp_path / "new\nline")], tmp_path / "out"
    assert cli.main(["transcribe", *files, "--model", model, "--format", "json", "--output_dir", str(out)]) == 1
    assert json.loads((out / os.fsdecode(b"\xff.json")).read_text())["file"] == str(strange)
    assert (out / "b.json").exists()
    assert [line for line in capsys.readouterr().err.splitlines() if "error:" in line and "new\\nline" in line]


def test_an_empty_folder_and_a_second_standard_input_end_nothing_else(
    model: str, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "a.wav").write_bytes((audio / "a.wav").read_bytes())
    (tmp_path / "some" / "._a.wav").write_bytes(b"\0\5\x16\7")  # what macOS leaves
    monkeypatch.setattr("sys.stdin", None)
    files = [str(tmp_path / "empty"), "-", "-", str(tmp_path / "some")]
    assert cli.main(["transcribe", *files, "--model", model]) == 1
    out, err = capsys.readouterr()
    assert "a.wav:" in out and "failed: 3 of 4 files" in err
    assert "empty: no audio file in this folder" in err
    assert "standard input: it is closed" in err and "stands for it twice" in err


def test_a_result_never_overwrites_its_recording(
    model: str, audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a.txt").write_bytes((audio / "a.wav").read_bytes())
    assert cli.main(["transcribe", str(tmp_path / "a.txt"), "--model", model, "--output_dir", str(tmp_path)]) == 1
    assert "overwritten by its own result" in capsys.readouterr().err
    assert (tmp_path / "a.txt").read_bytes() == (audio / "a.wav").read_bytes()


def test_closed_and_full_streams_are_one_message(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\nfrom espnet_jst.bin.arguments import run_main\n"
        "from espnet_jst.inference.documents import Document\n"
        "def body():\n    taken = os.open('/dev/null', os.O_RDONLY)\n    assert taken > 2, taken\n"
        "    print('said', file=sys.stderr)\n    Document(sys.stdout, 'txt').add('x', [], 1.0)\n"
        "    Document(sys.stdout, 'json').add('x', [], 1.0)\n"
        "sys.exit(run_main(body))\n"
    )

    def run(redirection: str) -> subprocess.CompletedProcess:
        command = f'"{sys.executable}" "{program}" {redirection}'
        return subprocess.run(command, shell=True, capture_output=True, text=True)

    done = run(">/dev/full")
    assert done.returncode == 1 and done.stderr.splitlines()[0] == "said"
    assert done.stderr.splitlines()[1:] == ["error: <stdout>: cannot be written (No space left on device)"]
    done = run("2>&- <&-")
    assert done.returncode == 0 and json.loads(done.stdout)["file"] == "x" and "said" not in done.stdout


@pytest.mark.slow
def test_words_appear_while_a_pipe_goes_on(model: str, audio: Path) -> None:
    """A wave and samples without a header, of which the end is not there yet."""
    samples = (audio / "a.wav").read_bytes()[44:]
    expected = [word.text for word in words_of(model, audio / "a.wav")]
    command = [sys.executable, "-m", "espnet_jst.bin.cli", "transcribe", "-", "--model", model, "--stream"]
    process = subprocess.Popen([*command, "--raw_fs", "8000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(samples[:24000])
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(2)]
    assert lines[1].split()[-1].decode() == expected[0]
    process.stdin.write(samples[24000:])
    process.stdin.close()
    heard = [line.split()[-1].decode() for line in [lines[1], *process.stdout]]
    assert process.wait() == 0 and heard == expected


def test_a_microphone_gives_the_words_of_a_file_with_its_samples(
    model: str, audio: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, fs = soundfile.read(audio / "b.flac", dtype="int16")
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(samples, fs))
    assert cli.main(["transcribe", "--mic", "--model", model, "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["file"] == "microphone" and content["duration_s"] == 1.5
    assert [(w["text"], w["lane"], w["emission_s"]) for w in content["words"]] == [
        (w.text, w.lane, w.emission_s) for w in words_of(model, audio / "b.flac")
    ]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--mic=5"], "no device"), (["--mic", "", "x.wav"], "give files, or --mic"), ([], "--mic")],
)
def test_a_microphone_that_is_not_there_is_named(
    model: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(np.zeros(0, np.int16), 8000))
    assert cli.main(["transcribe", "--model", model, *arguments]) == 1
    assert message in capsys.readouterr().err


class FakeSoundDevice:
    """What the command uses of sounddevice; when the samples are at their end, somebody presses Ctrl-C."""

    PortAudioError = OSError

    def __init__(self, samples: np.ndarray, fs: int) -> None:
        self.left, self.fs = samples, fs

    def query_devices(self, device: object, kind: str) -> dict[str, float]:
        if device is not None:
            raise ValueError(f"no device {device}")
        return {"default_samplerate": float(self.fs)}

    def RawInputStream(self, *, samplerate: int, device: object, channels: int, dtype: str) -> FakeSoundDevice:
        assert (samplerate, channels, dtype) == (self.fs, 1, "int16")
        return self

    def __enter__(self) -> FakeSoundDevice:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, count: int) -> tuple[bytes, bool]:
        taken, self.left = self.left[:count], self.left[count:]
        if not len(self.left):
            signal.raise_signal(signal.SIGINT)
        return taken.tobytes(), False
