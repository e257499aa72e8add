"""A comparison reads what runs have left, and says what is missing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from espnet_jst.bin import jst_recipe
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.recipe.comparison import Comparison, comparison_table, try_systems, write_table
from tests.evaluation.decoded import HYPOTHESES, REFERENCES, make_decoded, make_reference

FILE = """
title: "Two systems"
flags: --test_sets test --inference_config conf/decode.yaml
seeds: [0, 1]
baseline: both
systems:
  both:
  single: --st_args "--max_epoch 2"
"""
RIGHT = {key: value[:2] for key, value in REFERENCES.items()}


@pytest.fixture
def comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(FILE)
    make_reference(tmp_path / "dump" / "raw" / "test")
    for system, hypotheses in (("both", RIGHT), ("single", HYPOTHESES)):
        for seed in (0, 1):
            exp = tmp_path / "exp" / f"st_two_{system}_{seed}"
            make_decoded(exp / "decode_st_model_valid.loss.ave_streaming" / "test", hypotheses)
            (exp / "training_time.json").write_text(json.dumps({"cpu_s": 100.0 + seed}))
    return Comparison.read(Path("two.yaml"))


def test_each_run_has_a_name_a_seed_and_the_flags_of_its_system(comparison: Comparison) -> None:
    assert comparison.arguments("single", 1) == [
        *("--test_sets", "test", "--inference_config", "conf/decode.yaml", "--st_args", "--max_epoch 2"),
        *("--st_tag", "two_single_1", "--seed", "1"),
    ]


def test_the_table_has_quality_latency_and_cost_of_every_system(comparison: Comparison, tmp_path: Path) -> None:
    table = comparison_table(comparison, [], n_bootstrap=100)
    scores = table["scores"]["test, streaming"]
    assert list(scores) == [*("WER", "CER", "LAAL transcript, ms", "BLEU", "chrF++", "TER", "LAAL translation, ms")]
    assert scores["WER"]["both"].seeds == (0.0, 0.0)
    assert scores["WER"]["single"].mean == pytest.approx(100 / 7)
    assert scores["BLEU"]["both"].mean == pytest.approx(100.0)
    assert table["cpu_s"] == {"both": [100.0, 101.0], "single": [100.0, 101.0]}
    page = write_table(comparison, table, tmp_path / "exp").read_text()
    assert (tmp_path / "exp" / "two_test_streaming.png").stat().st_size > 5000
    assert "| single | 14.29 |" in page and "single 100 (100/101)" in page
    assert "| both | 0.00 (0.00/0.00) | - |  |  |" in page  # the same in every utterance
    assert "| single | 14.29 (14.29/14.29) | 0.00 to" in page and "| +14.29 (-" in page
    data = json.loads((tmp_path / "exp" / "two.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert data["scores"]["test, streaming"]["WER"]["both"]["p_value"] is None


def test_a_system_that_writes_nothing_has_no_latency_and_no_p_value(comparison: Comparison, tmp_path: Path) -> None:
    for seed in (0, 1):
        out = tmp_path / "exp" / f"st_two_single_{seed}" / "decode_st_model_valid.loss.ave_streaming" / "test"
        make_decoded(out, {key: ("", "") for key in REFERENCES})
    table = comparison_table(comparison, [], n_bootstrap=50)
    page = write_table(comparison, table, tmp_path / "exp").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| single | - ")]
    assert rows == ["| single | - (-/-) | - | - | - |"] * 2  # of both lanes
    assert "nan" not in page
    assert "| single | 100.00 (100.00/100.00) | - | +100.00 | 0.250 |" in page
    assert "NaN" not in (tmp_path / "exp" / "two.json").read_text()


def test_a_run_without_output_and_a_wrong_file_are_named(comparison: Comparison, tmp_path: Path) -> None:
    words = tmp_path / "exp" / "st_two_single_1" / "decode_st_model_valid.loss.ave_streaming" / "test" / "words.jsonl"
    words.unlink()
    with pytest.raises(DataError, match="st_two_single_1"):
        comparison_table(comparison, [])
    Path("wrong.yaml").write_text(FILE.replace("baseline: both", "baseline: bothe"))
    with pytest.raises(ConfigError, match="'bothe' is not one of both, single"):
        Comparison.read(Path("wrong.yaml"))
    Path("wrong.yaml").write_text(FILE.replace("seeds:", "seed:"))
    with pytest.raises(ConfigError, match="'seeds'"):
        Comparison.read(Path("wrong.yaml"))


def test_what_the_runs_share_is_prepared_with_the_flags_of_all(comparison: Comparison) -> None:
    flags = ["--test_sets", "test", "--inference_config", "conf/decode.yaml", "--stop_stage", "10"]
    assert comparison.preparation == flags


def test_a_lane_that_a_system_does_not_have_has_no_score(comparison: Comparison, tmp_path: Path) -> None:
    for seed in (0, 1):
        out = tmp_path / "exp" / f"st_two_single_{seed}" / "decode_st_model_valid.loss.ave_streaming" / "test"
        (out / "signature.json").write_text(json.dumps({"lanes": "transcript"}))
        (out / "text").write_text("")
    table = comparison_table(comparison, [], n_bootstrap=20)
    scores = table["scores"]["test, streaming"]
    assert list(scores["BLEU"]) == ["both"] and list(scores["WER"]) == ["both", "single"]
    assert "| single | 14.29 | " in write_table(comparison, table, tmp_path / "exp").read_text()


def test_a_system_whose_model_cannot_be_built_is_named_before_any_run(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, stats = tmp_path / "dump" / "raw", tmp_path / "exp" / "st_stats_raw_en_de_word" / "train"
    lines = {"text.lc.en": "one two", "text.lc.de": "eins zwei", "wav.scp": "none.wav", "utt2num_samples": "16000"}
    for name in ("train", "valid"):
        (raw / name).mkdir()
        for file, text in lines.items():
            (raw / name / file).write_text(f"a {text}\n")
    stats.mkdir(parents=True)
    np.savez(stats / "feats_stats.npz", count=np.array(2), sum=np.zeros(80), sum_square=np.ones(80))
    shared = ["--token_type", "word", "--compare", ""]
    assert jst_recipe.main([*shared, "--stage", "5", "--stop_stage", "5"]) == 0
    base = Path(__file__).resolve().parents[2] / "conf" / "tsot.yaml"
    Path("good.yaml").write_text(f"base: {base}\n")
    Path("bad.yaml").write_text("base: good.yaml\nencoder_conf: {sizes: 100}\n")
    systems = {"right": "--st_config good.yaml", "wrong": "--st_config bad.yaml"}
    with pytest.raises(ConfigError, match=r"wrong \(--st_config bad.yaml\): .*'sizes' \(did you mean 'size'"):
        try_systems(replace(comparison, systems=systems), shared, jobs=1)
    assert not list((tmp_path / "exp").glob("*right*"))
