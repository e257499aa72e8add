"""Links of two texts, and word times of recordings."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from espnet_jst.bin import jst_align
from tests.inference import tiny


def write(path: Path, lines: list[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def test_links_of_two_text_files_are_written_a_line_an_utterance(tmp_path: Path) -> None:
    numbers = [("one two", "eins zwei"), ("two one", "zwei eins"), ("one", "eins"), ("two", "zwei")] * 5
    src = write(tmp_path / "src", [f"u{i:02d} {source}" for i, (source, _) in enumerate(numbers)])
    tgt = write(tmp_path / "tgt", [f"u{i:02d} {target}" for i, (_, target) in enumerate(numbers)])
    out = tmp_path / "alignment"
    assert jst_align.main(["--src", src, "--tgt", tgt, "--output", str(out)]) == 0
    lines = out.read_text().splitlines()
    assert len(lines) == 20
    assert lines[:3] == ["u00 0-0 1-1", "u01 0-0 1-1", "u02 0-0"]


def test_a_share_of_the_links_is_corrupted_and_the_seed_decides(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tgt = write(tmp_path / "tgt", [f"u{number} a b c d e" for number in range(20)])
    alignment = write(tmp_path / "alignment", [f"u{number} 0-0 1-1 2-2 3-3 4-4" for number in range(20)])
    command = ["--corrupt", "0.1", "--alignment", alignment, "--tgt", tgt, "--output"]
    files = [tmp_path / name for name in ("first", "again", "other")]
    for path, seed in zip(files, "001", strict=True):
        assert jst_align.main([*command, str(path), "--seed", seed]) == 0
    assert "10 of 100 links corrupted" in capsys.readouterr().out
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()
    assert jst_align.main(["--corrupt", "0.1", "--tgt", tgt, "--output", str(files[0])]) == 1
    assert "--alignment" in capsys.readouterr().err


def test_different_keys_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    src, tgt = write(tmp_path / "src", ["a one"]), write(tmp_path / "tgt", ["b eins"])
    assert jst_align.main(["--src", src, "--tgt", tgt, "--output", str(tmp_path / "x")]) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--times"], ["--times", "--wav_scp", "x"]])
def test_missing_inputs_are_named(tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str]) -> None:
    src = write(tmp_path / "src", ["a one"])
    assert jst_align.main(["--src", src, "--output", str(tmp_path / "x"), *options]) == 1
    assert "--" in capsys.readouterr().err


def test_word_times_rise_and_what_cannot_be_timed_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = tmp_path / "model"
    tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), folder)
    soundfile.write(tmp_path / "a.wav", tiny.speech(2.0), 8000)
    soundfile.write(tmp_path / "short.wav", tiny.speech(0.2), 8000)
    src = write(tmp_path / "src", ["a one two three", "lost one", "short one two three one", "silent"])
    files = [f"{key} {tmp_path / name}" for key, name in (("a", "a.wav"), ("short", "short.wav"), ("silent", "a.wav"))]
    scp, out = write(tmp_path / "wav.scp", files), tmp_path / "word_times"
    command = ["--times", "--src", src, "--wav_scp", scp, "--model", str(folder), "--output", str(out)]
    assert jst_align.main(command) == 0
    lines = dict(line.split(maxsplit=1) for line in out.read_text().splitlines())
    ends = [float(end) for end in lines["a"].split()]
    assert len(ends) == 3 and ends == sorted(ends) and 0 < ends[0] and ends[-1] <= 2.0
    assert lines["lost"] == lines["short"] == lines["silent"] == "-"
    assert "2 utterances have no times" in capsys.readouterr().err
    assert (tmp_path / "word_times_skipped" / "skipped.jsonl").is_file()
    assert jst_align.main([*command, "--full_spans"]) == 0
    assert out.read_text().splitlines()[0].count(":") == 3
