"""Epochs that fit a time budget, and the CPU seconds that were used."""

import json

import numpy as np
import pytest
from espnet2.iterators.sequence_iter_factory import SequenceIterFactory

from espnet_jst.errors import ConfigError
from espnet_jst.training.batches import CountedBatches
from espnet_jst.training.budget import StepCosts, epochs_in, plan_epochs
from espnet_jst.training.usage import CPUClock

COSTS = StepCosts(sizes=[100, 300], seconds=[1.0, 3.0], validation_s=2.0, overhead_s=0.5)


def counted(**conf):
    lengths = {f"u{i}": 100 + 100 * i for i in range(3)}
    return CountedBatches(SequenceIterFactory(None, [(key,) for key in lengths], seed=0), lengths, **conf)


def test_an_epoch_costs_its_steps_its_validation_and_its_overhead():
    assert COSTS.epoch_s(np.array([100, 200, 300]), 3) == pytest.approx(6 + 2.5)
    assert COSTS.epoch_s(np.array([200]), 5) == pytest.approx(10 + 2.5)


@pytest.mark.parametrize(("budget_s", "epochs"), [(35, 3), (39.9, 3), (40, 4), (1000, 20), (1, 1)])
def test_as_many_epochs_as_fit_and_at_least_one(budget_s, epochs):
    assert epochs_in(budget_s, lambda epoch: 10.0, 20) == epochs


def test_a_short_first_epoch_makes_room_for_more():
    assert epochs_in(30, lambda epoch: 5.0 if epoch <= 2 else 10.0, 20) == 4


def test_epochs_that_are_done_are_not_paid_again():
    assert epochs_in(30, lambda epoch: 10.0, 20, done=5) == 8


def test_the_number_is_written_down_and_kept_on_resume(tmp_path):
    asked = {"minutes": 1.0, "max_epoch": 50, "done": 0, "train": counted()}
    path = tmp_path / "budget.json"
    first = plan_epochs(path, resume=False, costs=lambda: COSTS, **asked)
    assert first == int(60 * 0.95 // 8.5)
    plan = json.loads(path.read_text())
    assert plan["epochs"] == first and plan["expected_s"] <= 57
    slow = StepCosts(sizes=[100], seconds=[10.0], validation_s=0.0, overhead_s=0.0)
    assert plan_epochs(path, resume=True, costs=lambda: slow, **asked) == first
    assert plan_epochs(path, resume=False, costs=lambda: slow, **asked) == 1


def test_a_budget_without_lengths_is_refused(tmp_path):
    bare = CountedBatches(SequenceIterFactory(None, [("u0",)], seed=0))
    with pytest.raises(ConfigError, match="--max_train_minutes needs"):
        plan_epochs(tmp_path / "b", minutes=1, max_epoch=5, done=0, resume=False, train=bare, costs=lambda: COSTS)


def test_cpu_seconds_add_up_over_runs(tmp_path):
    first = CPUClock(tmp_path / "time.json", fresh=True)
    first.save(now=True)
    before = json.loads((tmp_path / "time.json").read_text())["cpu_s"]
    again = CPUClock(tmp_path / "time.json", fresh=False)
    assert again.seconds() >= 2 * before > 0
    assert "over 2 runs" in again.summary()
    assert CPUClock(tmp_path / "time.json", fresh=True).seconds() < 2 * before + 1


def test_a_clock_saves_now_and_then_only(tmp_path):
    clock = CPUClock(tmp_path / "time.json", fresh=True)
    clock.save()
    assert not (tmp_path / "time.json").exists()
