"""What a trained model bears: `run.sh --stress FILE`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from espnet_jst.bin import jst_recipe
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.stress import Stress
from tests.inference import tiny
from tests.recipe.trained import write_trained

FILE = """
title: Three ways
set: valid
disturbances:
  quiet: {level_db: -40}
  faster: {speed: 1.25}
"""
TABLES = {"text.lc.en": "one two one two", "text.lc.de": "eins zwei"}


def test_every_disturbance_has_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_trained(tmp_path, tiny.config(tiny.SERIALIZED), [1.5, 1.8], TABLES)
    (tmp_path / "some.yaml").write_text(FILE)
    languages = ["--src_lang", "en", "--tgt_lang", "de", "--src_case", "lc", "--tgt_case", "lc"]
    flags = [*languages, "--st_exp", "exp/st_x", "--nj", "1", "--inference_nj", "1"]
    assert jst_recipe.main([*flags, "--stress", "some.yaml"]) == 0
    [page] = tmp_path.rglob("some.md")
    assert page.parent.parent.name.endswith("_stress_some")
    rows = [[cell.strip() for cell in line.split("|")] for line in page.read_text().splitlines()]
    names = [cells[1] for cells in rows if len(cells) > 5]
    assert names[-3:] == ["as_it_is", "quiet", "faster"]
    assert list(json.loads(page.with_suffix(".json").read_text())) == ["as_it_is", "quiet", "faster"]
    faster, fs = soundfile.read("dump/raw/.stress/valid/faster/audio/u0.flac")
    assert len(faster) / fs == pytest.approx(1.2, abs=0.01)
    capsys.readouterr()
    assert jst_recipe.main([*flags, "--stress", "some.yaml"]) == 0
    assert capsys.readouterr().out.count("up to date") == 6  # two sets, three decodings, one table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("disturbances: {}", "disturbances names none"),
        ("disturbances: {as_it_is: {offset: 0.1}}", "'as_it_is' cannot be a name"),
        ("disturbances: {a: {loudness: 3}}", "disturbances.a: unknown key 'loudness'"),
        ("disturbances: {a: {offset: 3}}", "offset is 3"),
    ],
)
def test_what_is_no_disturbance_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        Stress.read(tmp_path / "x.yaml")


def test_the_shipped_file_can_be_read() -> None:
    found = Stress.read(Path(__file__).parents[2] / "conf" / "stress" / "common.yaml")
    assert {"offset", "level_40", "telephone", "noise_10", "faster"} <= set(found.disturbances)
