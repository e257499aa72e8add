"""A training that is killed and resumed ends with the weights of one that was not."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from espnet_jst.errors import CheckpointError
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.token_marks import mark
from espnet_jst.training.checkpoints import CHECKPOINT, PREVIOUS, repair
from espnet_jst.weights import read_weights, safe_load
from tests.training.corpus import TOKENS, make_corpus, write_config

AVERAGE = "valid.loss.ave_2best.pth"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))
    write_config(root, max_epoch=4)
    return root


@pytest.fixture(scope="module")
def whole(root):
    """An experiment that nothing disturbed."""
    return train(root, "whole")


def train(root: Path, name: str, *options: str) -> Path:
    exp = root / name
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(exp), *options])
    return exp


def train_in_child(root: Path, name: str, *options: str) -> multiprocessing.Process:
    # Forked, so that ESPnet need not be imported again.
    context = multiprocessing.get_context("fork")
    process = context.Process(target=train, args=(root, name, "--resume", "true", *options))
    process.start()
    return process


def same(one: Path, two: Path) -> bool:
    first, second = read_weights(one), read_weights(two)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def copy_files(source: Path, target: Path, *names: str) -> None:
    target.mkdir()
    for name in names:
        (target / name).write_bytes((source / name).read_bytes())


def test_the_files_of_a_training_are_complete(whole):
    names = {path.name for path in whole.iterdir()}
    assert {CHECKPOINT, PREVIOUS, "latest.pth", "valid.loss.best.pth", "valid.loss.ave.pth", AVERAGE} <= names
    assert os.readlink(whole / "latest.pth") == "4epoch.pth"
    assert not list(whole.glob(".*.tmp"))
    assert safe_load(whole / CHECKPOINT)["reporter"]["epoch"] == 4
    assert safe_load(whole / PREVIOUS)["reporter"]["epoch"] == 3


def test_two_runs_are_one(root, whole):
    train(root, "halves", "--max_epoch", "2", "--scheduler_conf", "total_steps=12")
    exp = train(root, "halves", "--resume", "true")
    assert same(exp / AVERAGE, whole / AVERAGE) and same(exp / CHECKPOINT, whole / CHECKPOINT)


def test_kills_at_random_moments_change_nothing(root, whole):
    undisturbed_s = json.loads((whole / "training_time.json").read_text())["wall_s"]
    kills = 0
    while True:
        process = train_in_child(root, "killed")
        process.join(random.uniform(0.0, 0.6) * undisturbed_s if kills < 4 else None)
        if process.exitcode is not None:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
        for path in (root / "killed").glob("*.pth"):
            safe_load(path)
    exp = root / "killed"
    assert process.exitcode == 0, f"after {kills} kills"
    assert kills >= 1
    assert same(exp / AVERAGE, whole / AVERAGE) and same(exp / CHECKPOINT, whole / CHECKPOINT)
    assert os.readlink(exp / "latest.pth") == "4epoch.pth"
    assert os.readlink(exp / "valid.loss.best.pth") == os.readlink(whole / "valid.loss.best.pth")


def test_workers_and_a_curriculum_resume_to_the_same_weights_too(root):
    options = ["--num_workers", "1", "--curriculum", "0.6", "--max_epoch", "3"]
    one = train(root, "curriculum", *options)
    process = train_in_child(root, "curriculum_killed", *options)
    while process.is_alive() and not (root / "curriculum_killed" / CHECKPOINT).exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    two = train(root, "curriculum_killed", *options, "--resume", "true")
    assert same(one / AVERAGE, two / AVERAGE)


def test_a_training_does_not_go_on_with_another_token_list_and_keeps_its_configuration(root, whole):
    exp = root / "relabelled"
    copy_files(whole, exp, CHECKPOINT, "config.yaml")
    swapped = TOKENS[:4] + TOKENS[-2:3:-1] + TOKENS[-1:]  # the same tokens, other ids
    (root / "swapped.txt").write_text("".join(f"{token}\n" for token in swapped), encoding="utf-8")
    with pytest.raises(CheckpointError, match=f"{CHECKPOINT} was trained with another token_list than the config"):
        train(root, "relabelled", "--token_list", str(root / "swapped.txt"), "--resume", "true")
    assert (exp / "config.yaml").read_bytes() == (whole / "config.yaml").read_bytes()
    with pytest.raises(CheckpointError, match="was trained with another token_list"):
        train(root, "relabelled_start", "--token_list", str(root / "swapped.txt"), "--init_param", str(whole / AVERAGE))
    assert not list((root / "relabelled_start").glob("*.pth"))


def test_the_average_of_the_best_epochs_remembers_the_token_list(whole):
    assert torch.equal(read_weights(whole / AVERAGE)["token_lists.tgt"], mark(TOKENS))


def test_a_checkpoint_whose_epoch_was_not_saved_yet_is_repaired(root, whole):
    exp = root / "between"
    copy_files(whole, exp, CHECKPOINT, "3epoch.pth")
    (exp / "latest.pth").symlink_to("3epoch.pth")
    (exp / ".checkpoint.pth.tmp").write_bytes(b"half a checkpoint")
    assert repair(exp, [["valid", "loss", "min"]]) == 4
    assert same(exp / "4epoch.pth", whole / "4epoch.pth")
    assert os.readlink(exp / "latest.pth") == "4epoch.pth"
    assert not (exp / ".checkpoint.pth.tmp").exists()
    train(root, "between", "--resume", "true")
    assert same(exp / AVERAGE, whole / AVERAGE)


def test_a_damaged_checkpoint_says_how_to_go_on(root, whole):
    exp = root / "damaged"
    copy_files(whole, exp, CHECKPOINT, PREVIOUS)
    (exp / CHECKPOINT).write_bytes((exp / CHECKPOINT).read_bytes()[:5000])
    with pytest.raises(
        CheckpointError, match=r"checkpoint\.pth is damaged.*To go on one epoch earlier: mv .*prev\.pth"
    ):
        train(root, "damaged", "--resume", "true")
    (exp / PREVIOUS).rename(exp / CHECKPOINT)
    train(root, "damaged", "--resume", "true")
    assert same(exp / AVERAGE, whole / AVERAGE) and same(exp / CHECKPOINT, whole / CHECKPOINT)


def test_a_checkpoint_of_another_model_is_refused_with_its_keys(root, whole):
    copy_files(whole, root / "other", CHECKPOINT)
    with pytest.raises(CheckpointError, match=r"of another shape: .*\(16, .*the model has"):
        train(root, "other", "--resume", "true", "--encoder_conf", "size=24")


def test_a_checkpoint_that_executes_code_is_refused(root, whole):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(root / "canary"),)

    (root / "evil").mkdir()
    torch.save({**safe_load(whole / CHECKPOINT), "scaler": Payload()}, root / "evil" / CHECKPOINT)
    with pytest.raises(CheckpointError, match="could execute code"):
        train(root, "evil", "--resume", "true")
    with pytest.raises(CheckpointError, match="could execute code"):
        train(root, "evil_init", "--init_param", str(root / "evil" / CHECKPOINT))
    assert not (root / "canary").exists()


def test_init_param_starts_from_the_weights(root, whole):
    exp = train(root, "init", "--init_param", str(whole / AVERAGE), "--max_epoch", "1", "--optim_conf", "lr=0.0")
    assert same(exp / "1epoch.pth", whole / AVERAGE)
    with pytest.raises(CheckpointError, match="--init_param"):
        train(root, "init2", "--init_param", str(whole / AVERAGE), "--encoder_conf", "layers=2")


def test_a_time_budget_chooses_the_epochs_once(root):
    exp = train(root, "budget", "--max_train_minutes", "0.05", "--max_epoch", "500")
    plan = json.loads((exp / "budget.json").read_text())
    assert 1 <= plan["epochs"] < 500
    assert safe_load(exp / CHECKPOINT)["reporter"]["epoch"] == plan["epochs"]
    train(root, "budget", "--max_train_minutes", "0.05", "--max_epoch", "500", "--resume", "true")
    assert json.loads((exp / "budget.json").read_text()) == plan


def test_the_cpu_seconds_of_all_runs_are_printed(root, capsys):
    train(root, "clock", "--max_epoch", "1")
    assert "process CPU seconds" in capsys.readouterr().out
    train(root, "clock", "--max_epoch", "2", "--resume", "true")
    assert "over 2 runs" in capsys.readouterr().out
