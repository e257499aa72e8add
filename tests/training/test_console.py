"""What a training says, without a terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_jst.tasks.jst import JSTTask
from espnet_jst.training import budget, costs, progress
from espnet_jst.training.costs import StepCosts
from tests.training.corpus import make_corpus, write_config


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_corpus(tmp_path_factory.mktemp("corpus"))  # epochs of three steps
    write_config(root, max_epoch=2)
    return root


def train(root: Path, name: str, *options: str) -> None:
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(root / name), *options])


def test_steps_done_and_planned_stand_on_the_console(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    train(root, "lines", "--accum_grad", "2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "training: 6 steps in 2 epochs planned, 0 done"
    assert re.fullmatch(r"epoch 1/2, step 1/6, loss \d+\.\d{3}, \d+ s left", lines[1])
    assert re.fullmatch(r"epoch 1/2, validation, batch 1/1, loss \d+\.\d{3}, \d+ s left", lines[4])
    assert lines[-2] == "training took 6 of 6 planned steps"
    train(root, "lines", "--accum_grad", "2", "--max_epoch", "3", "--resume", "true")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "training: 9 steps in 3 epochs planned, 6 done"
    assert lines[1].startswith("epoch 3/3, step 7/9, ")


def test_a_training_whose_time_is_over_ends_as_one_that_is_complete(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = StepCosts(sizes=[[1.0]], seconds=[[1e-9]], validation_s=0.0, overhead_s=0.0)
    monkeypatch.setattr(costs, "measure", lambda *_, **__: measured)
    begin = budget.Pace.begin

    def late(pace: budget.Pace, epoch: int) -> int:
        if epoch == 3:
            pace.clock_s = lambda: 1e9
        return begin(pace, epoch)

    monkeypatch.setattr(budget.Pace, "begin", late)
    train(root, "late", "--max_train_minutes", "9", "--max_epoch", "5", "--num_iters_per_epoch", "3")
    assert {path.name for path in (root / "late").glob("*epoch.pth")} == {"1epoch.pth", "2epoch.pth"}
    assert (root / "late" / "valid.loss.ave.pth").exists()
    assert "training took 6 of 15 planned steps" in capsys.readouterr().out


def test_nobody_elses_warnings_are_shown(root: Path) -> None:
    code = "from espnet_jst.bin.jst_train import main; main()"
    options = ["--config", str(root / "train.yaml"), "--output_dir", str(root / "quiet"), "--max_epoch", "1"]
    done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=True)
    assert not re.search("Warning|Flash Attention", done.stderr)
