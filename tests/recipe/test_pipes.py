"""Commands of a wav.scp: shown, run on request, kept, and listed where they fail."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.bin import cli
from espnet_jst.data import kaldi
from espnet_jst.data.checks import read_skipped
from espnet_jst.recipe.pipes import convert_pipes, find_pipes
from tests.data.containers.sound import FS, encoded, patched, tone

TEXTS = ("text.lc.en", "text.lc.de")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a good file and one as a pipe would have it; the commands run there."""
    monkeypatch.chdir(tmp_path)
    Path("plain.wav").write_bytes(encoded(tone(), "WAV"))
    wide = encoded(np.stack([tone(), tone()], axis=1), "WAV", "FLOAT")
    Path("wide.wav").write_bytes(patched(wide, {4: 0, wide.find(b"data") + 4: 0x7FFFF000}))
    return tmp_path


def write_directory(commands: dict[str, str]) -> None:
    kaldi.write_table("data/wav.scp", commands)
    for name in TEXTS:
        kaldi.write_table(f"data/{name}", dict.fromkeys(commands, "one two"))


def run(*arguments: str) -> int:
    return cli.main(["convert-pipes", "data", "out", "--nj", "1", *arguments])


def test_without_the_flag_commands_are_shown_and_not_run(folder, capsys):
    write_directory({"a": "touch ran |", "b": "printf '\x1b[31m' |", "c": "plain.wav"})
    assert run() == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines() == ["a: touch ran", r"b: printf '\x1b[31m'"]
    assert "to run these 2 commands, give --run_commands" in shown.err
    assert not Path("ran").exists() and not Path("out").exists()


def test_commands_become_files_and_the_other_tables_are_copied(folder, capsys):
    write_directory({"a": "cat plain.wav |", "b/1": "cat wide.wav | cat |", "b_1": "cat plain.wav |", "c": "plain.wav"})
    assert run("--run_commands") == 0
    assert (
        "out: 3 of 3 commands gave audio (0 were there already), 1 lines were files already" in capsys.readouterr().out
    )
    wav = kaldi.read_table("out/wav.scp")
    assert sorted(wav) == ["a", "b/1", "b_1", "c"] and len(set(wav.values())) == 4 and wav["c"] == "plain.wav"
    assert Path(wav["a"]).read_bytes() == Path("plain.wav").read_bytes()
    samples, fs = soundfile.read(wav["b/1"], dtype="float32")  # by libsndfile alone: its header is right now
    assert (samples.shape, fs) == ((16000, 2), FS)
    assert np.array_equal(samples[:, 0], tone())
    assert all(Path("out", name).read_text() == Path("data", name).read_text() for name in TEXTS)
    assert Path("out/skipped.jsonl").read_text() == ""


def test_what_fails_is_listed_and_the_others_go_on(folder, capsys):
    failing = {
        "status": ("echo no such tape >&2; exit 3", "ends with status 3 (no such tape)"),
        "middle": ("false | cat plain.wav", "ends with status 1"),
        "nothing": ("true", "writes nothing"),
        "text": ("echo hello", "it is text"),
        "cut": ("head -c 9000 plain.wav", "ends before its header says"),
        "slow": ("sleep 60", "took over 1 s"),
        "absent": ("no_such_program x.sph", "status 127"),
    }
    good = {"good": "cat plain.wav |", "enough": "cat plain.wav plain.wav | head -c 32044 |"}
    write_directory({**{key: f"{command} |" for key, (command, _) in failing.items()}, **good})
    started = time.monotonic()
    assert run("--run_commands", "--timeout_s", "1") == 1
    assert time.monotonic() - started < 30
    assert set(kaldi.read_table("out/wav.scp")) == set(good)
    reasons = {problem.utt_id: problem.reason for problem in read_skipped("out")}
    assert set(reasons) == set(failing)
    for key, (_, reason) in failing.items():
        assert reason in reasons[key], key
    assert "7 left out (listed in out/skipped.jsonl" in capsys.readouterr().err
    assert len(os.listdir("out/audio")) == 2  # nothing half-made is left


def test_a_second_run_keeps_what_is_there_and_tries_the_rest(folder, capsys):
    write_directory({"a": "echo a >> log; cat plain.wav |", "b": "echo b >> log; cat late.wav |"})
    assert run("--run_commands") == 1
    Path("late.wav").write_bytes(Path("plain.wav").read_bytes())
    assert run("--run_commands") == 0
    assert "2 of 2 commands gave audio (1 were there already)" in capsys.readouterr().out
    assert Path("log").read_text().split() == ["a", "b", "b"]
    write_directory({"a": "echo other >> log; cat plain.wav |"})
    assert run("--run_commands") == 0
    assert Path("log").read_text().split()[-1] == "other"  # another command is another file


@pytest.mark.slow
def test_several_run_at_a_time_and_give_the_same(folder):
    write_directory({f"u{number:02}": "cat plain.wav |" for number in range(25)})
    pipes, others = find_pipes("data")
    alone = convert_pipes(pipes, others, "data", "one", nj=1)
    together = convert_pipes(pipes, others, "data", "two", nj=2)
    assert [path.replace("two", "one") for path in together.files.values()] == list(alone.files.values())


def test_stages_and_doctor_name_this_command(folder, capsys):
    write_directory({"a": "touch ran |", "b": "plain.wav"})
    assert cli.main(["doctor", "data", "--nj", "1", "--json", "problems.jsonl"]) == 1
    [problem] = [json.loads(line) for line in Path("problems.jsonl").read_text().splitlines()]
    assert problem["kind"] == "audio-command" and "espnet-jst convert-pipes DIR OUT" in problem["fix"]
    assert not Path("ran").exists()


def test_the_directory_itself_is_not_written_over(folder, capsys):
    write_directory({"a": "cat plain.wav |"})
    assert cli.main(["convert-pipes", "data", "./data", "--run_commands"]) == 1
    assert "must be another one" in capsys.readouterr().err
