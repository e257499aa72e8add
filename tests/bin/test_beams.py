"""Beams as a picture and a table."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from espnet_jst.bin.beams import main


def test_a_picture_and_a_table_of_the_beams_of_a_configuration(tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    keys = {"fs": 8000, "n_mels": 20, "azimuths": 4, "order": "reversed"}
    config.write_text(yaml.safe_dump({"frontend": "beam_bank", "frontend_conf": keys}))
    out = tmp_path / "out"
    assert main(["--config", str(config), "--output_dir", str(out), "--hertz", "500", "2000"]) == 0
    assert (out / "beams.png").read_bytes().startswith(b"\x89PNG")
    lines = (out / "beams.md").read_text("utf-8").splitlines()
    assert lines[4] == "| beam | 500 Hz | 2000 Hz |"
    assert [line.split(" | ")[0] for line in lines[6:]] == [
        "| 0: mouth",
        *(f"| {n}: {270 - 90 * (n - 1)}°" for n in range(1, 5)),
    ]
    assert all(float(cell.split(", ")[1]) > -0.01 for line in lines[6:] for cell in line.strip("| ").split(" | ")[1:])


@pytest.mark.parametrize(
    ("values", "flags", "message"),
    [
        ({"frontend": "log_mel"}, [], "frontend is log_mel, and only beam_bank has beams"),
        ({"frontend_conf": {"array": "easycom7"}}, [], "array"),
        ({}, ["--hertz", "9000"], "--hertz: give at most 6 frequencies from 0 to 8000 Hz"),
    ],
)
def test_what_has_no_beams_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: dict, flags: list[str], message: str
) -> None:
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(values))
    assert main(["--config", str(tmp_path / "train.yaml"), "--output_dir", str(tmp_path), *flags]) == 1
    assert message in capsys.readouterr().err
