"""What the policies cost, from files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from espnet_jst.bin import jst_diagnose


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    tables = {"src": "er rief sie an", "tgt": "he called her", "alignment": "0-0 1-1 2-2", "ref": "0-0 1-1 3-1 2-2"}
    for name, value in tables.items():
        (tmp_path / name).write_text("".join(f"u{number} {value}\n" for number in range(10)))
    return [
        f"--{name}={tmp_path / file}" for name, file in (("src", "src"), ("tgt", "tgt"), ("alignment", "alignment"))
    ]


def test_the_table_is_printed_and_written(files, tmp_path, capsys):
    command = [*files, "--policies", "align,0.0", "--reference", str(tmp_path / "ref"), "--output", str(tmp_path / "d")]
    assert jst_diagnose.main(command) == 0
    shown = capsys.readouterr().out
    assert "ALIGN block" in shown and "INTER 0.0" in shown and "prune_range for 99 %" in shown
    found = json.loads((tmp_path / "d" / "diagnosis.json").read_text())
    assert list(found["policies"]) == ["align", "0.0"]
    # "called" is written after "rief", but needs "an".
    assert found["policies"]["align"]["premature_share"] == pytest.approx(1 / 3)
    assert (tmp_path / "d" / "diagnosis.png").is_file()


def test_a_sample_is_even_and_not_larger_than_asked(files, capsys):
    assert jst_diagnose.main([*files, "--sample", "4"]) == 0
    assert "4 sentences" in capsys.readouterr().out


def test_bursts_can_be_counted_in_the_tokens_of_a_list(files, tmp_path, capsys):
    (tmp_path / "tokens.txt").write_text("\n".join(["<blank>", "<unk>", "<asr>", "<st>", "<space>", *"hecaldr", ""]))
    options = ["--token_list", str(tmp_path / "tokens.txt"), "--output", str(tmp_path / "d")]
    assert jst_diagnose.main([*files, *options]) == 0
    policies = json.loads((tmp_path / "d" / "diagnosis.json").read_text())["policies"]
    assert policies["0.0"]["longest_burst"] == len("T" + "he called her")


def test_files_of_different_utterances_are_refused(files, tmp_path, capsys):
    (tmp_path / "alignment").write_text("u0 0-0\n")
    assert jst_diagnose.main(files) == 1
    assert "lacks 9 of 10" in capsys.readouterr().err
