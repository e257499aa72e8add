"""Gradients of several steps make one update; those that an epoch ends with, too."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from espnet_jst.tasks.jst import JSTTask
from espnet_jst.training.accumulation import last_update, updates
from espnet_jst.training.schedule import WarmupCosine
from espnet_jst.weights import read_weights, safe_load
from tests.training.corpus import make_corpus, write_config

OPTIONS = SimpleNamespace(accum_grad=4, grad_clip=5.0, grad_clip_type=2.0, grad_noise=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))  # epochs of three steps
    write_config(root, max_epoch=2, best_model_criterion=[["train", "loss", "min"]])
    return root


def train(root: Path, name: str, *options: str) -> Path:
    exp = root / name
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(exp), *options])
    return exp


def same(one: Path, two: Path) -> bool:
    first, second = (read_weights(path / "checkpoint.pth") for path in (one, two))
    return all(torch.equal(first[key], second[key]) for key in first)


def count_of_updates(exp: Path) -> int:
    states = safe_load(exp / "checkpoint.pth")
    steps = {int(state["step"]) for state in states["optimizers"][0]["state"].values()}
    assert steps == {states["schedulers"][0]["last_epoch"]}
    return steps.pop()


@pytest.mark.parametrize("accum", [2, 5])
def test_a_training_in_two_runs_is_one_whatever_is_left_at_the_border(root: Path, accum: int) -> None:
    options = ["--accum_grad", str(accum)]
    whole = train(root, f"whole{accum}", *options)
    planned = f"total_steps={2 * updates(3, accum)}"
    train(root, f"halves{accum}", *options, "--max_epoch", "1", "--scheduler_conf", planned)
    halves = train(root, f"halves{accum}", *options, "--resume", "true")
    assert same(whole, halves)
    assert count_of_updates(whole) == 2 * updates(3, accum)


def test_accumulating_over_more_than_an_epoch_is_one_update_of_all_of_it(root: Path) -> None:
    exact, more = (read_weights(train(root, f"all{n}", "--accum_grad", f"{n}") / "checkpoint.pth") for n in (3, 7))
    for key, weight in exact.items():
        torch.testing.assert_close(more[key], weight, rtol=1e-3, atol=1e-5)  # a third, and a seventh times 7/3


@pytest.mark.parametrize(("steps", "accum", "expected"), [(3, 1, 3), (3, 2, 2), (4, 2, 2), (3, 5, 1)])
def test_every_step_is_part_of_an_update(steps: int, accum: int, expected: int) -> None:
    assert updates(steps, accum) == expected


def one_weight(gradient: float) -> tuple[torch.nn.Module, torch.optim.Optimizer, WarmupCosine]:
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    model.weight.grad = torch.full((1, 1), gradient)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return model, optimizer, WarmupCosine(optimizer, warmup_steps=0, final_share=1.0, total_steps=10)


def test_the_last_update_takes_the_mean_of_its_own_steps() -> None:
    model, optimizer, scheduler = one_weight(0.5 / 4 + 0.25 / 4)
    assert last_update(model, [optimizer], [scheduler], None, OPTIONS, left=2, done=10)
    assert model.weight.item() == pytest.approx(1.0 - 0.375)
    assert scheduler.last_epoch == 1 and model.weight.grad is None


def test_a_last_gradient_that_is_not_finite_is_dropped() -> None:
    model, optimizer, scheduler = one_weight(math.nan)
    assert not last_update(model, [optimizer], [scheduler], None, OPTIONS, left=1, done=10)
    assert model.weight.item() == 1.0 and scheduler.last_epoch == 0 and model.weight.grad is None


def test_the_last_gradient_is_clipped_as_every_other() -> None:
    model, optimizer, scheduler = one_weight(100.0)
    last_update(model, [optimizer], [scheduler], None, OPTIONS, left=4, done=10)
    assert model.weight.item() == pytest.approx(-4.0, abs=1e-4)
