"""A sweep of the blank penalty: what its file says, and the table of what was decoded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from espnet_jst.bin import jst_recipe
from espnet_jst.errors import ConfigError
from espnet_jst.evaluation.compare import run_statistics
from espnet_jst.evaluation.sweep_table import as_markdown, sweep_table, write_sweep
from espnet_jst.recipe.sweep import Sweep
from tests.evaluation.decoded import REFERENCES, make_decoded, make_reference
from tests.inference import tiny
from tests.recipe.trained import write_trained

RIGHT = {key: value[:2] for key, value in REFERENCES.items()}
SHORT = {**RIGHT, "a3": ("one six", "")}
EMPTY = {key: ("", "") for key in REFERENCES}
READING = {"src_lang": "en", "tgt_lang": "de"}
LENGTH = {"translation": {"kind": "length", "ratio": 1.1}}


def written(folder: Path, text: str) -> Path:
    (folder / "penalties.yaml").write_text(text)
    return folder / "penalties.yaml"


def test_a_file_without_a_word_tries_nought_to_two_for_all_lanes(tmp_path: Path) -> None:
    sweep = Sweep.read(written(tmp_path, ""))
    assert list(sweep.fixed.values()) == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert sweep.penalties == {f"{value:g}": value for value in sweep.fixed.values()}


def test_none_is_always_tried_and_lanes_may_be_swept_alone(tmp_path: Path) -> None:
    sweep = Sweep.read(written(tmp_path, f"lanes: [translation]\nfixed: [-0.5, 1]\nadaptive: {{length: {LENGTH}}}"))
    assert list(sweep.penalties) == ["0", "-0.5", "1", "length"]
    assert sweep.penalties["1"] == {"translation": 1.0} and sweep.penalties["length"] == LENGTH


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixd: [1]", "unknown key 'fixd' .*did you mean 'fixed'"),
        ("fixed: [2000]", "fixed is 2000: give a number from -1000 to 1000"),
        ("adaptive: {length: {translation: {kind: lengt}}}", "adaptive.length.*'lengt' is not one of"),
        ("adaptive: {a b: {translation: 1.0}}", "'a b' cannot be a name"),
    ],
)
def test_a_wrong_file_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sweep.read(written(tmp_path, text))


def test_the_table_says_which_penalty_is_best_and_how_sure_that_is(tmp_path: Path) -> None:
    reference = make_reference(tmp_path / "ref")
    runs = {
        name: run_statistics(make_decoded(tmp_path / name, hypotheses), reference, timed=True, **READING)
        for name, hypotheses in {"0": EMPTY, "1": SHORT, "length": RIGHT}.items()
    }
    table = sweep_table("Three", runs, {"0": 0.0, "1": 1.0}, n_bootstrap=100)
    assert (table.best, table.best_fixed, table.chosen_by.name) == ("length", "1", "BLEU")
    ratios = {
        column.lane.name: [round(row[name].mean, 4) for name in runs]
        for column, row in table.scores.items()
        if column.metric.name == "length ratio"
    }
    assert ratios == {"transcript": [0.0, 1.0, 1.0], "translation": [0.0, round(6 / 7, 4), 1.0]}
    page = as_markdown(table)
    assert "Best by BLEU: **length**; of the fixed ones **1**" in page
    assert "| BLEU, against 0 |" in page and "| BLEU, against 1 |" in page
    assert "| **length** | 0.00 |" in page  # its WER
    assert write_sweep(table, tmp_path / "out", "three").read_text() == page
    assert (tmp_path / "out" / "three.png").stat().st_size > 5000
    assert json.loads((tmp_path / "out" / "three.json").read_text())["best_fixed"] == "1"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A trained model and a validation set as stages 1 to 11 leave them; the flags of run.sh."""
    monkeypatch.chdir(tmp_path)
    tables = {"text.lc.en": "one two", "text.lc.de": "eins und zwei"}
    write_trained(tmp_path, tiny.config(tiny.SERIALIZED), [0.7, 1.0, 1.3, 1.6], tables)
    flags = "--src_lang en --tgt_lang de --src_case lc --tgt_case lc --st_exp exp/st_x --inference_nj 1"
    return [*flags.split(), "--sweep", "penalties.yaml"]


def test_a_recipe_decodes_its_validation_set_with_each_penalty_once(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "fixed: [0, 1.5]\nadaptive: {seconds: {translation: {kind: bound, follows: seconds, ratio: 2}}}")
    assert jst_recipe.main(recipe) == 0
    [page] = tmp_path.rglob("penalties_valid_streaming.md")
    assert page.parent.parent.name.endswith("_streaming_sweep_penalties")
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip(" *") for row in rows[1:4]] == ["0", "1.5", "seconds"]
    signature = json.loads((page.parent / "penalty_seconds" / "signature.json").read_text())
    assert signature["blank_penalty"]["translation"]["kind"] == "bound"
    capsys.readouterr()
    assert jst_recipe.main(recipe) == 0
    assert "with 3 penalties, streaming: up to date" in capsys.readouterr().out


def test_what_the_model_of_a_recipe_cannot_follow_is_refused_first(
    recipe: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, "adaptive: {own: {translation: {kind: length, follows: translation}}}")
    assert jst_recipe.main(recipe) == 1
    assert "no CTC head that hears translation as early as head 'joint'" in capsys.readouterr().err
