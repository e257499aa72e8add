"""Epochs that fit a time budget, and the CPU seconds that were used."""

import json

import numpy as np
import pytest
import torch
from espnet2.iterators.sequence_iter_factory import SequenceIterFactory

from espnet_jst.errors import ConfigError
from espnet_jst.training import costs as jst_costs
from espnet_jst.training.batches import CountedBatches
from espnet_jst.training.budget import (
    LEAST_EPOCHS,
    LEAST_STEPS,
    MARGIN,
    BudgetSpentError,
    epochs_in,
    plan_pace,
)
from espnet_jst.training.costs import StepCosts
from espnet_jst.training.usage import CPUClock

LONG = {f"u{i}": 200 for i in range(500)}
COSTS = StepCosts(sizes=[[100, 300]], seconds=[[1.0, 3.0]], validation_s=2.0, overhead_s=0.5)


def counted(steps=None, **conf):
    lengths = {f"u{i}": 100 + 100 * i for i in range(3)}
    base = SequenceIterFactory(None, [(key,) for key in lengths], seed=0, num_iters_per_epoch=steps)
    return CountedBatches(base, lengths, **conf)


class Clock:
    """A machine that needs `slower` times the seconds that the probe measured."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s

    def train(self, pace, epochs, slower=1.0):
        for epoch in epochs:
            if epoch > pace.epochs:
                break  # the machine was slower than it promised
            steps = pace.begin(epoch)
            self.now_s += slower * (steps * COSTS.steps_s(pace.train, range(epoch, epoch + 1), pace.epochs)[0] + 2.5)


def planned(path, clock, *, minutes=1.0, max_epoch=50, done=0, resume=False, train=None, costs=COSTS):
    train = train or counted(steps=3)
    return plan_pace(
        path, minutes=minutes, max_epoch=max_epoch, done=done, resume=resume, train=train, clock_s=clock,
        costs=lambda: costs,
    )  # fmt: skip


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


def test_the_plan_is_written_down_and_kept_on_resume(tmp_path):
    path, clock = tmp_path / "budget.json", Clock()
    first = planned(path, clock)
    assert first.epochs == int(60 * MARGIN // 8.5)
    clock.train(first, [1, 2])
    assert json.loads(path.read_text())["epochs"] == first.epochs
    slow = StepCosts(sizes=[[300]], seconds=[[10.0]], validation_s=0.0, overhead_s=0.0)
    again = planned(path, clock, resume=True, costs=slow, train=counted(steps=3))
    assert (again.epochs, again.taken) == (first.epochs, first.taken)
    assert planned(path, Clock(), resume=False, costs=slow).epochs == 1  # of all three steps, not five of one


def slow_costs(step_s: float) -> StepCosts:
    return StepCosts(sizes=[[100, 300]], seconds=[[step_s, step_s]], validation_s=2.0, overhead_s=0.5)


@pytest.mark.parametrize(("step_s", "epochs"), [(0.4, 5), (1.2, 4), (2.5, 2), (5.0, 1)])
def test_epochs_are_fewer_rather_than_of_a_few_steps(tmp_path, step_s, epochs):
    pace = planned(tmp_path / "budget.json", Clock(), train=counted(steps=100), costs=slow_costs(step_s))
    assert pace.epochs == epochs
    assert pace.begin(1) >= LEAST_STEPS


def test_a_budget_that_holds_no_training_is_refused_with_one_that_does(tmp_path):
    with pytest.raises(ConfigError, match=r"a step takes 35\.0 s here.* 1 steps fit.* at least 7 minutes"):
        planned(tmp_path / "budget.json", Clock(), train=counted(steps=100), costs=slow_costs(35.0))
    assert planned(tmp_path / "b", Clock(), minutes=7, train=counted(steps=100), costs=slow_costs(35.0)).begin(1) >= 10


def test_a_slow_start_refuses_no_training(tmp_path):
    clock = Clock()
    clock.now_s = 59.0
    pace = planned(tmp_path / "budget.json", clock, train=counted(steps=100), costs=slow_costs(1.0))
    assert pace.epochs == 1 and pace.begin(1) == LEAST_STEPS


def test_a_pass_over_the_data_that_is_too_long_is_cut(tmp_path):
    train = CountedBatches(SequenceIterFactory(None, [(f"u{i}",) for i in range(500)], seed=0), LONG)
    clock, pace = Clock(), None
    pace = planned(tmp_path / "budget.json", clock, minutes=5, train=train)
    clock.train(pace, range(1, pace.epochs + 1))
    assert pace.epochs == LEAST_EPOCHS and 10 <= pace.taken[1] < 500
    assert 0.8 * 300 < clock.now_s < 300
    again = CountedBatches(SequenceIterFactory(None, [(f"u{i}",) for i in range(500)], seed=0), LONG)
    assert planned(tmp_path / "budget.json", clock, minutes=5, train=again, resume=True).train.adjustable


def test_a_machine_that_becomes_slow_gets_fewer_epochs_and_ends(tmp_path):
    clock = Clock()
    pace = planned(tmp_path / "budget.json", clock, minutes=5, train=counted(steps=20))
    clock.train(pace, [1, 2, 3])
    planned_epochs, clock.now_s = pace.epochs, 230.0  # something else took the time
    pace.begin(4)
    assert planned_epochs > pace.epochs >= 4 and pace.taken[4] >= LEAST_STEPS
    clock.now_s = 299.0
    with pytest.raises(BudgetSpentError):
        pace.begin(5)
    assert pace.epochs == 4 and len(pace.steps_of_epochs(4)) == 4


def test_after_the_time_is_over_a_resumed_training_has_no_further_epoch(tmp_path):
    clock = Clock()
    clock.now_s = 400.0
    assert planned(tmp_path / "b", clock, minutes=5, done=7, train=counted(steps=20)).epochs == 7


@pytest.mark.parametrize("slower", [0.7, 1.0, 1.9])
def test_a_training_ends_in_time_whatever_else_the_machine_does(tmp_path, slower):
    clock = Clock()
    pace = planned(tmp_path / "budget.json", clock, minutes=20, train=counted(steps=20))
    clock.train(pace, range(1, pace.epochs + 1), slower)
    assert 0.9 * 1200 < clock.now_s < 1200
    assert sum(pace.steps_of_epochs(pace.epochs)) == sum(pace.taken.values())


@pytest.mark.parametrize(("minutes", "steps"), [(20, 20), (5, 60)])
def test_a_probe_that_was_disturbed_costs_no_time(tmp_path, minutes, steps):
    clock = Clock()
    disturbed = StepCosts(sizes=[[100, 300]], seconds=[[3.0, 9.0]], validation_s=6.0, overhead_s=1.5)
    pace = planned(tmp_path / "budget.json", clock, minutes=minutes, train=counted(steps=steps), costs=disturbed)
    clock.train(pace, range(1, pace.epochs + 1))
    assert 0.8 * 60 * minutes < clock.now_s < 60 * minutes


def test_a_killed_run_goes_on_with_the_time_that_is_left(tmp_path):
    path, clock = tmp_path / "budget.json", Clock()
    first = planned(path, clock, minutes=20, train=counted(steps=20))
    clock.train(first, [1, 2, 3])
    clock.now_s += 300  # of an epoch that was lost
    again = planned(path, clock, minutes=20, train=counted(steps=20), done=3, resume=True)
    clock.train(again, range(4, again.epochs + 1))
    assert 0.9 * 1200 < clock.now_s < 1200


def test_the_most_epochs_are_not_stretched(tmp_path):
    clock = Clock()
    pace = planned(tmp_path / "budget.json", clock, minutes=100, max_epoch=3, train=counted(steps=20))
    clock.train(pace, [1, 2, 3])
    assert pace.taken == {1: 20, 2: 20, 3: 20}


def test_an_epoch_that_is_a_pass_over_the_data_stays_one(tmp_path):
    clock = Clock()
    pace = planned(tmp_path / "budget.json", clock, train=counted())
    clock.train(pace, range(1, pace.epochs + 1), 3.0)
    assert not pace.taken and pace.train.steps == 3 and pace.steps_of_epochs(1) == [3] * pace.epochs


def test_a_budget_without_lengths_is_refused(tmp_path):
    bare = CountedBatches(SequenceIterFactory(None, [("u0",)], seed=0))
    with pytest.raises(ConfigError, match="--max_train_minutes needs"):
        planned(tmp_path / "b", Clock(), train=bare)


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


class Slow(torch.nn.Module):
    """A model that needs a quarter of a second, on a clock of its own."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, utt_id, speech):
        Slow.now_s += 0.25
        return (self.weight * speech).sum(), {}, None


class Batches:
    """Batches of one sample; the sizes are 1 to `count`."""

    def __init__(self, count):
        self.sizes = np.arange(1.0, count + 1)
        self.groups = [(1.0, self)]

    def probe(self, count):
        return self.build_iter(0)[:count], self.sizes[:count]

    def build_iter(self, epoch):
        return [(["u"], {"speech": torch.ones(1)}) for _ in self.sizes]


@pytest.mark.parametrize(
    ("most_s", "used_s", "timed", "validation_s"), [(0.1, 0.5, 1, 0.875), (1.4, 1.5, 3, 2.5), (60.0, 6.25, 19, 2.5)]
)
def test_measuring_takes_the_time_that_it_may_or_two_steps(tmp_path, monkeypatch, most_s, used_s, timed, validation_s):
    monkeypatch.setattr(Slow, "now_s", 0.0, raising=False)
    monkeypatch.setattr(jst_costs.time, "perf_counter", lambda: Slow.now_s)
    model = Slow()
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1)]
    costs = jst_costs.measure(
        model, optimizers, Batches(40), Batches(10),
        device="cpu", grad_clip=1.0, unused_parameters=False, output_dir=tmp_path, most_s=most_s,
    )  # fmt: skip
    assert Slow.now_s == pytest.approx(used_s, abs=0.25)
    assert costs.seconds == [[0.25] * timed] and costs.validation_s == pytest.approx(validation_s)
    assert model.weight.item() == 1.0


def test_a_first_step_that_is_longer_than_the_budget_is_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr(Slow, "now_s", 0.0, raising=False)
    monkeypatch.setattr(jst_costs.time, "perf_counter", lambda: 400 * Slow.now_s)
    costs = jst_costs.measure(
        Slow(), [], Batches(40), Batches(10),
        device="cpu", grad_clip=1.0, unused_parameters=False, output_dir=tmp_path, most_s=3.0,
    )  # fmt: skip
    assert Slow.now_s == 0.25 and costs.seconds == [[100.0]] and costs.validation_s == pytest.approx(350.0)
    assert not list(tmp_path.iterdir())


def test_a_batch_larger_than_those_that_were_timed_is_expected_to_take_longer():
    one = StepCosts(sizes=[[100]], seconds=[[2.0]], validation_s=0.0, overhead_s=0.0)
    assert one.training_s(counted(), 1) == pytest.approx(2 + 4 + 6)
