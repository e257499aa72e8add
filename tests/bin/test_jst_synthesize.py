"""Texts that are spoken by a command: what is made, kept and left out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import soundfile

from espnet_jst.bin import cli
from espnet_jst.data.kaldi import read_table
from espnet_jst.data.synthesis import Synthesizer
from espnet_jst.errors import ConfigError

# A voice that hums as long as the text is; it refuses one word and writes nothing for another.
TTS = """
import sys, wave
voice, path, text = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else sys.stdin.read()
if "fail" in text:
    sys.exit("no such word")
if "mute" not in text:
    with wave.open(path, "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000)
        file.writeframes(bytes([ord(voice[0]), 1]) * 1000 * len(text))
"""
TEXTS = {"a": "hola {wav}", "b": "fail", "c": "mute", "d": 'it\'s; $(rm -rf /) & "x"', "e": "adiós"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tts.py").write_text(TTS)
    (tmp_path / "text").mkdir()
    for name, lines in (("text.lc.es", TEXTS), ("text.lc.en", dict.fromkeys(TEXTS, "hello"))):
        (tmp_path / "text" / name).write_text("".join(f"{key} {line}\n" for key, line in lines.items()))
    return tmp_path


def spoken(folder: Path, command: str, *flags: str) -> int:
    given = ["--data_dir", str(folder / "text"), "--text", "text.lc.es", "--output_dir", str(folder / "out")]
    return cli.main(["synthesize", *given, "--tts_command", command, "--nj", "1", *flags])


@pytest.mark.parametrize("place", [" {text}", ""])
def test_texts_are_spoken_by_voices_and_what_fails_is_listed(folder: Path, capsys, place: str) -> None:
    command = f"{sys.executable} {folder}/tts.py {{voice}} {{wav}}{place}"
    assert spoken(folder, command, "--voices", "ana", "ben") == 0
    assert "3 of 5 texts spoken" in capsys.readouterr().out
    wav, voices = (dict(read_table(folder / "out" / name)) for name in ("wav.scp", "utt2spk"))
    assert list(wav) == ["a", "d", "e"] and set(voices.values()) <= {"ana", "ben"}
    assert [len(soundfile.read(wav[key])[0]) for key in wav] == [1000 * len(TEXTS[key]) for key in wav]
    assert dict(read_table(folder / "out" / "text.lc.en")) == {"a": "hello", "d": "hello", "e": "hello"}
    skipped = [json.loads(line) for line in (folder / "out" / "skipped.jsonl").read_text().splitlines()]
    assert [(entry["utt_id"], entry["kind"]) for entry in skipped] == [(key, "synthesis-failed") for key in "bc"]
    times = {path: path.stat().st_mtime_ns for path in (folder / "out" / "audio").iterdir()}
    (folder / "text" / "text.lc.es").write_text("a hola {wav}\ne adiós, adiós\n")
    (folder / "text" / "text.lc.en").write_text("a hello\ne bye\n")
    assert spoken(folder, command, "--voices", "ana", "ben") == 0
    again = dict(read_table(folder / "out" / "wav.scp"))
    assert again["a"] == wav["a"] and Path(wav["a"]).stat().st_mtime_ns == times[Path(wav["a"])]
    assert again["e"] != wav["e"]


def test_no_text_that_can_be_spoken_is_one_message(folder: Path, capsys) -> None:
    assert spoken(folder, "no-such-synthesizer {wav}") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no text could be spoken" in said and "no command no-such-synthesizer" in said


@pytest.mark.parametrize(
    ("command", "voices", "message"),
    [
        ("say {text}", (), "put {wav} where"),
        ("say 'x {wav}", (), "No closing quotation"),
        ("say {voice} {wav}", (), "{voice} and --voices go together"),
        ("say {wav}", ("a",), "{voice} and --voices go together"),
    ],
)
def test_a_command_that_says_too_little_is_refused(command: str, voices: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Synthesizer.read(command, voices)
