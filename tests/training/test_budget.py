"""Epochs that fit a time budget, and the CPU seconds that were used."""

import json

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


def test_a_training_costs_its_steps_and_the_validation_and_overhead_of_its_epochs():
    assert COSTS.training_s(counted(), 2) == pytest.approx(2 * (1 + 2 + 3) + 2 * 2.5)
    assert COSTS.training_s(counted(), 5, done=3) == pytest.approx(COSTS.training_s(counted(), 2))


def test_a_curriculum_makes_the_first_steps_cheaper():
    # Limits of the three steps: 100, 166, 233; means of the batches admitted: 1, 1, 1.5.
    short = counted(curriculum=1.0, curriculum_start=0.0)
    assert COSTS.training_s(short, 1) == pytest.approx(3.5 + 2.5)


@pytest.mark.parametrize(("budget_s", "epochs"), [(35, 3), (39.9, 3), (40, 4), (1000, 20), (1, 1)])
def test_as_many_epochs_as_fit_and_at_least_one(budget_s, epochs):
    assert epochs_in(budget_s, lambda epochs: 10.0 * epochs, 20) == epochs


def test_at_least_one_epoch_after_those_that_are_done():
    assert epochs_in(1, lambda epochs: 10.0 * (epochs - 5), 20, done=5) == 6
    assert epochs_in(30, lambda epochs: 10.0 * (epochs - 5), 20, done=5) == 8


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
