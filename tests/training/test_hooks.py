"""What a training tells the model, the optimizer and the schedule while it goes on."""

import argparse

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler

from espnet_jst import registry
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.training.hooks import ModelOptimizer, PlannedScheduler
from espnet_jst.weights import load_strict, read_weights, safe_load
from tests.training.corpus import HEADS, config, make_corpus, write_config
from tests.training.test_resume import same

WARM = {"heads": {"joint": {**HEADS["joint"], "warm_steps": 6}}}  # three epochs of three steps: in the second it ends


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))
    write_config(root, model_conf=WARM)
    return root


@pytest.fixture
def told(monkeypatch):
    """(step, epoch, factor of the warm-up) before every training step."""
    calls, at = [], TransducerHead.at

    def record(head, step, epoch):
        at(head, step, epoch)
        calls.append((step, epoch, head.warm))

    monkeypatch.setattr(TransducerHead, "at", record)
    return calls


def train(root, name, *options):
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(root / name), *options])
    return root / name


def test_a_resumed_training_has_the_factors_of_an_undisturbed_one(root, told):
    one = train(root, "whole")
    whole = told[1:]  # without that of the constructor
    assert whole == [(step, 1 + step // 3, min(1.0, step / 6)) for step in range(9)]
    told.clear()
    train(root, "halves", "--max_epoch", "1", "--scheduler_conf", "total_steps=9")
    two = train(root, "halves", "--resume", "true")
    assert told[1:4] + told[5:] == whole  # the second model was made between them
    assert same(one / "3epoch.pth", two / "3epoch.pth")


def test_steps_are_batches_where_gradients_are_accumulated_and_a_probe_is_none(root, told):
    train(root, "budget", "--max_train_minutes", "5", "--max_epoch", "2", "--accum_grad", "2")
    assert [step for step, _, _ in told[1:]] == list(range(6))


def test_a_checkpoint_with_the_counter_of_an_earlier_version_loads_and_goes_on(root, told):
    whole = train(root, "counted_whole")
    exp = train(root, "counted", "--max_epoch", "2", "--scheduler_conf", "total_steps=9")
    states = safe_load(exp / "checkpoint.pth")
    states["model"]["heads.joint.step"] = torch.tensor(6)
    torch.save(states, exp / "checkpoint.pth")
    train(root, "counted", "--resume", "true")
    assert told[-1] == (8, 3, 1.0) and same(exp / "3epoch.pth", whole / "3epoch.pth")
    model, _ = JSTTask.load_model(exp / "config.yaml", exp / "3epoch.pth")
    weights = read_weights(exp / "3epoch.pth")
    load_strict(model, {**weights, "heads.joint.step": torch.tensor(6)}, "file")
    with pytest.raises(CheckpointError, match=r"1 extra: encoder\.norm\.step"):
        load_strict(model, {**weights, "encoder.norm.step": torch.tensor(6)}, "file")


class Split(ModelOptimizer, torch.optim.SGD):
    """An optimizer that moves one tensor only."""

    @staticmethod
    def groups(model):
        first, *others = model.parameters()
        return [{"params": [first], "lr": 0.5}, {"params": others, "lr": 0.0}]


class Told(LRScheduler, PlannedScheduler):
    """A schedule that remembers what it was told."""

    told: list

    def plan(self, total_steps):
        Told.told.append(total_steps)

    def get_lr(self):
        return [group["lr"] for group in self.optimizer.param_groups]


def test_an_optimizer_and_a_schedule_of_the_users_are_told_by_their_base_classes(root, monkeypatch):
    from espnet2.tasks import abs_task

    monkeypatch.setattr(registry, "TABLE", {key: dict(value) for key, value in registry.TABLE.items()})
    for known in ("optim_classes", "scheduler_classes"):
        monkeypatch.setattr(abs_task, known, dict(getattr(abs_task, known)))
    registry.register({"optim": {"split": Split}, "scheduler": {"told": Told}})
    Told.told = []
    path = write_config(root, "own.yaml", optim="split", optim_conf={}, scheduler="told", max_epoch=2)
    JSTTask.main(cmd=["--config", str(path), "--output_dir", str(root / "own")])
    assert Told.told == [6, 6]
    first, second = (read_weights(root / "own" / f"{epoch}epoch.pth") for epoch in (1, 2))
    moved = [key for key, value in first.items() if not torch.equal(value, second[key])]
    assert len(moved) == 1


def test_weight_decay_is_not_excluded_from_groups_that_an_optimizer_makes_by_itself(root):
    args = argparse.Namespace(**{**config(root), "optim": "muon", "exclude_weight_decay": True})
    with pytest.raises(ConfigError, match="--exclude_weight_decay: muon groups the parameters in its own way"):
        JSTTask.build_optimizers(args, torch.nn.Linear(2, 2))
