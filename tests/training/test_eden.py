"""Eden: the rate of every update, what a checkpoint keeps of it, and whole trainings with it and ScaledAdam."""

import logging
import math

import pytest
import torch
import yaml

from espnet_jst.errors import ConfigError
from espnet_jst.keys import read
from espnet_jst.scheduled import Scheduled
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.training.checkpoints import CHECKPOINT
from espnet_jst.training.conf import EdenConf
from espnet_jst.training.eden import Eden
from espnet_jst.weights import read_weights, safe_load
from tests.training.corpus import make_corpus, write_config
from tests.training.test_resume import AVERAGE, same

BASE = 0.045


def expected(update, epoch, batches, epochs, warmup=500):
    """Rate of an update of an epoch, both counted from 1."""
    done = epoch - 1
    rate = BASE * ((update**2 + batches**2) / batches**2) ** -0.25 * ((done**2 + epochs**2) / epochs**2) ** -0.25
    return rate * min(1.0, 0.5 + 0.5 * update / warmup)


def make(lr=BASE, **conf):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    return optimizer, Eden(optimizer, **conf)


def run(optimizer, scheduler, epochs, steps=40):
    rates = []
    for epoch in epochs:
        for step in range(steps):
            scheduler.at((epoch - 1) * steps + step, epoch)
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


def test_the_rate_is_that_of_the_formula():
    optimizer, scheduler = make(lr_batches=100, lr_epochs=2, warmup_steps=60)
    rates = run(optimizer, scheduler, range(1, 6))
    places = [(update, 1 + (update - 1) // 40) for update in range(1, 201)]
    assert rates == pytest.approx([expected(*place, 100, 2, 60) for place in places])
    assert rates[40] < rates[39] and max(rates) < BASE
    assert isinstance(scheduler, Scheduled) and scheduler.get_last_lr() == [optimizer.param_groups[0]["lr"]]


def test_the_published_settings_are_the_defaults():
    _, scheduler = make()
    for update, epoch in ((1, 1), (499, 1), (500, 2), (5000, 7), (100_000, 30)):
        assert BASE * scheduler.factor(update, epoch - 1) == pytest.approx(expected(update, epoch, 5000, 6))


def test_a_resumed_schedule_goes_on_with_the_keys_of_its_run():
    optimizer, scheduler = make(lr_batches=50)
    whole = run(optimizer, scheduler, range(1, 5))
    optimizer, scheduler = make(lr_batches=50)
    run(optimizer, scheduler, range(1, 3))
    states = optimizer.state_dict(), scheduler.state_dict()
    assert all(isinstance(value, (int, float, bool, list)) for value in states[1].values())
    for batches in (50, 200):
        optimizer, scheduler = make(lr=1.0, lr_batches=batches)
        optimizer.load_state_dict(states[0])
        scheduler.load_state_dict(states[1])
        rates = run(optimizer, scheduler, range(3, 5))
        assert (rates == whole[80:]) == (batches == 50)
        assert rates[0] == pytest.approx(expected(81, 3, batches, 6))


@pytest.mark.parametrize(
    ("conf", "message"),
    [({"warmup_batches": 5}, "'warmup_batches'"), ({"lr_epochs": 0}, "lr_epochs is 0: give a number from 0.001")],
)
def test_a_key_that_cannot_be_used_is_one_message(conf, message):
    with pytest.raises(ConfigError, match=message):
        read(EdenConf, conf, "scheduler_conf of eden")


# Whole trainings. Three batches an epoch, so two updates of two batches and of one.


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    torch.set_num_threads(1)
    root = make_corpus(tmp_path_factory.mktemp("corpus"))
    eden = {"lr_batches": 5, "lr_epochs": 2, "warmup_steps": 4}
    own = {"optim": "scaled_adam", "optim_conf": {"lr": BASE}, "scheduler": "eden", "scheduler_conf": eden}
    write_config(root, **own, max_epoch=4, accum_grad=2)
    return root


def train(root, name, *options):
    JSTTask.main(cmd=["--config", str(root / "train.yaml"), "--output_dir", str(root / name), *options])
    return root / name


@pytest.fixture
def rates(monkeypatch):
    """The rate of every update."""
    found, step = [], Eden.step

    def record(scheduler, epoch=None):
        if scheduler.last_epoch >= 0:  # not in the constructor
            found.append(scheduler.optimizer.param_groups[0]["lr"])
        step(scheduler, epoch)

    monkeypatch.setattr(Eden, "step", record)
    return found


def test_a_training_that_ended_goes_on_with_the_rates_and_weights_of_a_longer_one(root, rates):
    whole = train(root, "whole")
    assert rates == pytest.approx([expected(update, 1 + (update - 1) // 2, 5, 2, 4) for update in range(1, 9)])
    undisturbed = list(rates)
    rates.clear()
    train(root, "longer", "--max_epoch", "2")
    longer = train(root, "longer", "--resume", "true")
    assert rates == undisturbed
    assert same(whole / AVERAGE, longer / AVERAGE) and same(whole / CHECKPOINT, longer / CHECKPOINT)
    stats = safe_load(whole / CHECKPOINT)["reporter"]["stats"]
    assert stats[4]["train"]["loss"] < stats[1]["train"]["loss"]


def test_a_time_budget_is_kept_with_them(root):
    exp = train(root, "budget", "--max_train_minutes", "0.05", "--max_epoch", "500")
    assert all(value.isfinite().all() for value in read_weights(exp / "latest.pth").values())


@pytest.mark.parametrize(
    ("optim", "conf", "scheduler"),
    [
        ("adamw", {"lr": 0.003}, "eden"),
        ("muon", {"lr": 0.003, "matrix_lr": 0.01}, "eden"),
        ("scaled_adam", {"lr": BASE}, "warmupcosine"),
        ("scaled_adam", {"lr": BASE}, None),
    ],
)
def test_optimizers_and_schedules_go_together(root, optim, conf, scheduler):
    write_config(root, "cross.yaml", optim=optim, optim_conf=conf, scheduler=scheduler, max_epoch=3)
    exp = train(root, f"{optim}_{scheduler}", "--config", str(root / "cross.yaml"))
    stats = safe_load(exp / CHECKPOINT)["reporter"]["stats"]
    assert stats[3]["train"]["loss"] < stats[1]["train"]["loss"]


def test_clipping_by_the_norm_is_off_without_being_told_and_refused_where_it_is_asked_for(root, caplog):
    with caplog.at_level(logging.INFO):
        exp = train(root, "clipping", "--max_epoch", "1")
    assert yaml.safe_load((exp / "config.yaml").read_text())["grad_clip"] == math.inf
    assert sum("clips gradients by itself: --grad_clip is off" in record.message for record in caplog.records) == 1
    train(root, "clipping", "--config", str(exp / "config.yaml"), "--max_epoch", "2", "--resume", "true")
    with pytest.raises(ConfigError, match="--grad_clip 5: --optim scaled_adam clips .* leave --grad_clip out"):
        train(root, "refused", "--grad_clip", "5")
    exp = train(root, "adamw", "--optim", "adamw", "--scheduler", "none", "--max_epoch", "1")
    assert yaml.safe_load((exp / "config.yaml").read_text())["grad_clip"] == 5.0
