"""Named training runs: in order, each laid over the file, each resuming by itself, parts handed on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from espnet_jst.config import read_yaml
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.recipe import check_options
from espnet_jst.recipe.runs import TrainingRun, training_runs
from espnet_jst.recipe.stages import training
from espnet_jst.weights import read_weights
from tests.recipe import second_run
from tests.recipe.spoken_digits import ROOT, make_corpus, recipe, write_config
from tests.recipe.test_one_text import HEADS

RUNS: dict[str, Any] = {
    "first": {"max_epoch": 2, "model_conf": {"heads": {"st": None}}},
    "aside": {"optim": "sgd"},
    "last": {"init_from": ["first:encoder", "first:heads.asr:heads.st"], "max_epoch": 4},
}
BASE: dict[str, Any] = {"max_epoch": 3, "model_conf": {"heads": {"asr": {"kind": "ctc"}, "st": {"kind": "ctc"}}}}


def write(runs: object, **values: Any) -> Path:
    path = Path("conf/runs.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({**BASE, **values, "runs": runs}, sort_keys=False))
    return path


def parsed(runs: object, **values: Any) -> list[TrainingRun]:
    return training_runs(write(runs, **values), Path("exp"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_base_of_nothing_but_comments_has_no_runs(folder):
    path = write(RUNS, base="empty.yaml")
    (path.parent / "empty.yaml").write_text("# nothing yet\n")
    assert [run.name for run in training_runs(path, Path("exp"))] == [*RUNS]


def test_each_run_lays_its_keys_over_the_file_and_the_last_one_is_the_experiment(folder: Path):
    first, aside, last = parsed(RUNS)
    assert [run.folder for run in (first, aside, last)] == [Path("exp/first"), Path("exp/aside"), Path("exp")]
    assert [run.values["max_epoch"] for run in (first, aside, last)] == [2, 3, 4]
    assert set(first.values["model_conf"]["heads"]) == {"asr"} and "optim" not in last.values
    weights = "exp/first/valid.loss.ave.pth"
    assert last.init == [f"{weights}:encoder:encoder", f"{weights}:heads.asr:heads.st"]
    assert last.inputs == [Path(weights)] * 2
    assert read_yaml(first.written(first.folder)) == first.values


def test_a_key_that_a_run_takes_away_may_be_of_the_file_below(folder: Path):
    Path("below.yaml").write_text(yaml.safe_dump(BASE))
    Path("own.yaml").write_text(yaml.safe_dump({"base": "below.yaml", "runs": RUNS}, sort_keys=False))
    assert set(training_runs(Path("own.yaml"), Path("exp"))[0].values["model_conf"]["heads"]) == {"asr"}


def test_runs_are_laid_over_those_of_the_file_below_and_keep_what_they_take_away(folder: Path):
    Path("below.yaml").write_text(yaml.safe_dump({**BASE, "runs": RUNS}, sort_keys=False))
    first, *_ = RUNS
    own = {"base": "below.yaml", "runs": {first: {"max_epoch": 7}}}
    Path("own.yaml").write_text(yaml.safe_dump(own, sort_keys=False))
    runs = training_runs(Path("own.yaml"), Path("exp"))
    assert [run.name for run in runs] == list(RUNS)
    assert runs[0].values["max_epoch"] == 7 and set(runs[0].values["model_conf"]["heads"]) == {"asr"}
    own["runs"] = {"base": None, "joint": {"max_epoch": 3}, "longer": {"init_from": "joint"}}
    Path("own.yaml").write_text(yaml.safe_dump(own, sort_keys=False))
    assert [run.name for run in training_runs(Path("own.yaml"), Path("exp"))] == ["joint", "longer"]
    *_, last = RUNS
    own["runs"] = {first: None, last: {"init_from": []}}
    Path("own.yaml").write_text(yaml.safe_dump(own, sort_keys=False))
    assert [run.name for run in training_runs(Path("own.yaml"), Path("exp"))] == list(RUNS)[1:]
    Path("own.yaml").write_text("base: below.yaml\nruns: null\n")
    assert [run.name for run in training_runs(Path("own.yaml"), Path("exp"))] == [""]


def test_a_file_without_runs_is_one_training_of_itself(folder: Path):
    Path("own.yaml").write_text("max_epoch: 1\n")
    [run] = training_runs(Path("own.yaml"), Path("exp"))
    assert (run.folder, run.written(run.folder), run.inputs) == (Path("exp"), Path("own.yaml"), [Path("own.yaml")])


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "runs is []: give a mapping"),
        ({"a/b": {}}, "runs.a/b: name a run by a letter"),
        ({"images": {}}, "runs.images: name a run by"),
        ({"a": 3}, "runs.a is 3: give a mapping"),
        ({"a": {"frontend_conf": {"fs": 8000}}}, "runs.a: frontend_conf is the same for all runs"),
        ({"a": {"init_from": "b"}, "b": {}}, "runs.a.init_from is 'b': this is the first run"),
        ({"first": {}, "b": {"init_from": "frist"}}, "runs.b.init_from: 'frist' is not one of first (did you mean"),
        (
            {"a": {"model_conf": {"heads": {"st": None}}}, "b": {"init_from": "a"}},
            r"'a': a has the heads asr and this run asr, st; name parts that both have, such as [a:encoder]",
        ),
        ({"a": {}, "b": {"init_from": 3}}, "runs.b.init_from"),
        ({"a": {}, "b": {"init_from": "a:encodr"}}, "runs.b.init_from: 'encodr' is not one of encoder,"),
        ({"a": {}, "b": {"init_from": "a:hier_encoder"}}, "hier_encoder is no part of a"),
        (
            {"a": {"model_conf": {"heads": {"st": None}}}, "b": {"init_from": "a:heads.st"}},
            "runs.b.init_from is 'a:heads.st': heads.st is no part of a",
        ),
    ],
)
def test_what_no_training_could_begin_with_is_one_message(folder: Path, runs: object, message: str):
    with pytest.raises(ConfigError) as refused:
        parsed(runs)
    assert message in f"{refused.value}"


def test_a_model_to_train_further_and_runs_are_one_too_many(folder: Path):
    options = second_run.options_for("--st_config conf/runs.yaml --inference_config= --finetune model.zip")
    write(RUNS)
    with pytest.raises(ConfigError, match=r"--finetune model.zip: conf/runs.yaml names runs"):
        check_options(options)


@pytest.fixture
def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe with runs whose programs are replaced, trained once."""
    second_run.make_recipe(folder)
    second_run.replace_programs(monkeypatch)
    write(RUNS)
    for name in RUNS:
        monkeypatch.setitem(second_run.CODES, f"train {name}", name)
    return folder


def run() -> list[str]:
    """Run the recipe; returns the trainings that ran, in order."""
    return [name for name in second_run.run(second_run.options_for("--st_config conf/runs.yaml")) if name in RUNS]


def test_the_runs_are_trained_in_order_and_once(made: Path):
    assert run() == ["first", "aside", "last"]
    assert Path("exp/st_x/first/config.yaml").is_file() and Path("exp/st_x/config.yaml").is_file()
    assert run() == []


def test_a_changed_run_is_trained_again_and_so_are_those_that_start_from_it(made: Path):
    run()
    write({**RUNS, "aside": {"optim": "adam"}})
    assert run() == ["aside"]
    write({**RUNS, "aside": {"optim": "adam"}, "first": {"max_epoch": 5}})
    assert run() == ["first", "last"]
    assert run() == []


def test_after_a_kill_a_finished_run_is_not_trained_again_and_the_other_goes_on(
    made: Path, monkeypatch: pytest.MonkeyPatch
):
    commands: list[dict[str, list[str]]] = []

    def killed(command: Sequence[str], log: Path, **rest: Any) -> None:
        given = options_of(command)
        commands.append(given)
        second_run._program(command, log, **rest)
        if given["output_dir"] == ["exp/st_x"] and len(commands) == 3:
            Path("exp/st_x/config.yaml").unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "run_logged", killed)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert run() == ["last"]
    assert [given["output_dir"] for given in commands] == [[f"exp/st_x{end}"] for end in ("/first", "/aside", "", "")]
    assert commands[-1]["resume"] == ["true"] and len(commands[-1]["init_param"]) == 2


@pytest.mark.long
def test_a_part_of_a_run_is_handed_on_and_a_killed_recipe_goes_on_with_the_next(tmp_path: Path):
    make_corpus(tmp_path / "mine", "text.lc.en")
    runs = {
        "pretrain": {"model_conf": {"heads": {"asr": None}}},
        "train": {"init_from": ["pretrain:encoder", "pretrain:heads.ctc"], "optim_conf": {"lr": 1.0e-7}},
    }
    write_config(tmp_path / "train.yaml", model_conf={"heads": HEADS}, optim="adamw", runs=runs)
    flags = ["--tgt_lang", "none", "--corpus_dir", "mine", "--valid_share", "0.15", "--test_share", "0.15"]
    flags += ["--token_type", "word", "--st_config", "train.yaml", "--st_tag", "x", "--stop_stage", "11"]
    command = [sys.executable, "-m", "espnet_jst.bin.cli", "recipe", "--nj", "1", *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    exp = tmp_path / "exp" / "st_x"
    with subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True) as process:
        while not (exp / "pretrain" / ".stages" / "11.json").exists():
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (exp / ".stages" / "11.json").exists()
    said = recipe(tmp_path, *flags)
    assert "stage 11: train pretrain: up to date" in said and "stage 11: train train: done" in said
    before, after = (read_weights(path / "valid.loss.ave.pth") for path in (exp / "pretrain", exp))
    handed = [name for name in before if name.startswith(("encoder.", "heads.ctc."))]
    assert handed and all((before[name] - after[name]).abs().max() < 1e-4 for name in handed)
    assert any(name.startswith("heads.asr.") for name in after) and not any("heads.asr." in name for name in before)
