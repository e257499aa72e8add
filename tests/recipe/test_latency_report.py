"""Delays, cost and scores of one checkpoint in several ways of decoding: `run.sh --latency FILE`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from espnet_jst.bin import jst_recipe
from espnet_jst.errors import ConfigError
from espnet_jst.evaluation.mode_table import Mode, as_markdown
from espnet_jst.recipe.latency_report import LatencyReport
from tests.inference.test_attention_decoder import TWO_PASSES
from tests.inference.test_chains import full_context_above
from tests.recipe.trained import write_trained

FILE = """
title: Three ways
settings:
  stream: --search_heads streaming --chunk_s 0.32
  whole: --search_heads streaming --chunk_s 0
  revised: --revise true --beam_size 2 --maxlenratio 0.3
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A trained model of a transcript and a validation set as stages 1 to 11 leave them; the flags of run.sh."""
    monkeypatch.chdir(tmp_path)
    conf = full_context_above(TWO_PASSES)
    conf["model_conf"]["searches"] = {"two": {"heads": ["offline", "offline_ctc"], "second_pass_of": "streaming"}}
    tables = {"text.lc.en": "one two one two", "word_times": "0.2 0.4 0.6 0.8"}
    write_trained(tmp_path, conf, [1.5, 1.8, 2.1], tables)
    (tmp_path / "modes.yaml").write_text(FILE)
    flags = "--src_lang en --tgt_lang none --src_case lc --st_exp exp/st_x --latency modes.yaml"
    return flags.split()


def test_every_way_is_decoded_once_and_has_its_row(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jst_recipe.main(recipe) == 0
    [page] = tmp_path.rglob("modes.md")
    assert page.parent.parent.name.endswith("_latency_modes") and page.with_suffix(".png").stat().st_size > 5000
    rows = {
        cells[1].strip(): cells for cells in (line.split("|") for line in page.read_text().splitlines()) if cells[2:]
    }
    assert rows["stream"][2].strip() == "0.32" and rows["whole"][2].strip() == "the end"
    found = json.loads(page.with_suffix(".json").read_text())
    for name in ("stream", "whole", "revised"):
        cost = found[name]["cost"]
        assert cost["peak_memory_mb"] > 100 and cost["threads"] >= 1 and cost["audio_s"] == pytest.approx(5.4)
        assert f"{cost['peak_memory_mb']:.0f}" in rows[name][7]
        assert found[name]["scores"]["lanes"]["transcript"]["latency"]["word_lag"]["words"] >= 0
    waits = found["whole"]["scores"]["lanes"]["transcript"]["latency"]
    assert waits["FTL_P50"] == pytest.approx(1800) and rows["whole"][3].strip().startswith("1.80")
    assert (page.parent / "revised" / "signature.json").read_text().count("revise") == 1
    capsys.readouterr()
    assert jst_recipe.main(recipe) == 0
    assert capsys.readouterr().out.count("up to date") == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings: {}", "settings names none"),
        ("settings: {a b: --chunk_s 1}", "'a b' cannot be a name"),
        ("title: x", "settings"),
        ("settings: {a: --chunk_s 1}\nsettinks: 1", "unknown key 'settinks'"),
    ],
)
def test_a_wrong_file_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "modes.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        LatencyReport.read(tmp_path / "modes.yaml")


def test_a_wrong_flag_is_refused_before_anything_is_decoded(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "modes.yaml").write_text("settings: {a: --chunk_s 0.32, b: --search_heads nobody}")
    assert jst_recipe.main(recipe) == 1
    assert "nobody" in capsys.readouterr().err and not list(tmp_path.rglob("words.jsonl"))


def test_what_is_not_known_is_a_dash() -> None:
    quality = {"WER": {"score": 12.5, "low": None, "high": None}}
    scores = {
        "signature": {"chunk_s": 0.64, "look_ahead_s": 0.16},
        "lanes": {"transcript": {"quality": quality, "latency": None}},
    }
    page = as_markdown("x", {"a": Mode(scores, {"threads": 1})})
    assert "| a | 0.80 | - / - | - / - | - | - | - | 12.50 |" in page
