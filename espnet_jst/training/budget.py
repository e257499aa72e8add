"""A time budget: how many epochs fit, and how many steps each of them may take.

The first is planned from what steps cost, measured before the first epoch (`costs`). The second follows the clock from
epoch to epoch, so that a training ends in time, with its whole schedule, whatever else the machine does meanwhile.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from espnet_jst.config import json_text
from espnet_jst.errors import ConfigError
from espnet_jst.training.batches import PlannedBatches
from espnet_jst.training.costs import StepCosts
from espnet_jst.training.processes import first_process, is_first
from espnet_jst.weights import atomic_save

LEAST_EPOCHS = 5  # of shorter length, if it must be: the clock is looked at before each
LEAST_STEPS = 10  # of an epoch that a budget makes shorter: less is not worth its validation
MARGIN = 0.97  # of the budget; the rest is for the end, which nothing can make up for


class BudgetSpentError(Exception):
    """The time of a training is over before an epoch that was planned."""


def epochs_in(budget_s: float, training_s: Callable[[int], float], max_epoch: int, done: int = 0) -> int:
    """The number of epochs of a training that takes at most `budget_s` after epoch `done`; one more than `done`, if
    there is one.
    """
    for epochs in range(done + 1, max_epoch + 1):
        if training_s(epochs) > budget_s:
            return max(done + 1, epochs - 1)
    return max_epoch


@dataclass
class Pace:
    """Steps of every epoch of a training with a time budget.

    Attributes:
        path: file that the plan is kept in, for a resumed run.
        asked: what the plan answers: `max_train_minutes` and `max_epoch`.
        epochs: number of the last epoch.
        costs: what the probe measured.
        train: the training batches.
        clock_s: seconds of the training so far, over all its runs.
        taken: steps of the epochs that were begun, by number.
    """

    path: Path
    asked: dict[str, Any]
    epochs: int
    costs: StepCosts
    train: PlannedBatches
    clock_s: Callable[[], float]
    taken: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._nominal = self.train.steps
        self._least = min(LEAST_STEPS, self._nominal)
        self._first: tuple[int, float] | None = None  # epoch that this run began with, and when
        if self.taken and not self.train.adjustable:
            self.train.set_steps(self._nominal)  # as in the run before

    def steps_of_epochs(self, epoch: int) -> list[int]:
        """Steps of every epoch of the training, if all after `epoch` are as long as it."""
        return [self.taken.get(min(number, epoch), self._nominal) for number in range(1, self.epochs + 1)]

    def begin(self, epoch: int) -> int:
        """Number of steps that an epoch takes, so that it and those after it, of the same length, end in time.

        Epochs that would be too short are left out, so `epochs` may become less.

        Raises:
            BudgetSpentError: that goes for this epoch, too.
        """
        if self.train.adjustable:
            steps, last = first_process(self._fitting(epoch))
            if epoch > 1 and (epoch > self.epochs or steps < self._least):
                self.epochs = epoch - 1
                raise BudgetSpentError
            self.epochs = last
            self.taken[epoch] = max(self._least, steps)
            self.train.set_steps(self.taken[epoch])
        if is_first():
            plan = {**self.asked, "epochs": self.epochs, "steps": self.taken, "measured": asdict(self.costs)}
            atomic_save(lambda stream: stream.write(json_text(plan, indent=1).encode()), self.path)
        return self.taken.get(epoch, self._nominal)

    def _fitting(self, epoch: int) -> tuple[int, int]:
        """Steps of an epoch, and the number of the last one."""
        for last in range(self.epochs, epoch, -1):
            steps = self._steps(epoch, last)
            if steps >= self._least:
                return steps, last
        return self._steps(epoch, epoch), epoch

    def _steps(self, epoch: int, last: int) -> int:
        now_s = self.clock_s()
        self._first = self._first or (epoch, now_s)
        expected = self._expected_s(range(self._first[0], epoch))
        slower = (now_s - self._first[1]) / expected if expected else 1.0  # than the probe was
        left_s = (MARGIN * 60 * self.asked["max_train_minutes"] - now_s) / max(slower, 1e-3)
        most = self._nominal if last == self.asked["max_epoch"] else 4 * self._nominal
        return min(most, self.costs.steps_in(left_s, self.train, last, epoch - 1))

    def _expected_s(self, numbers: range) -> float:
        """Seconds that epochs which were begun should have taken."""
        steps_s = self.costs.steps_s(self.train, numbers, self.epochs)
        taken_s = sum(self.taken[number] * step_s for number, step_s in zip(numbers, steps_s, strict=True))
        return taken_s + len(numbers) * self.costs.fixed_s


def plan_pace(
    path: Path,
    *,
    minutes: float,
    max_epoch: int,
    done: int,
    resume: bool,
    train: PlannedBatches,
    clock_s: Callable[[], float],
    costs: Callable[[], StepCosts],
) -> Pace:
    """The plan of a training that is to take `minutes` in all its runs, of which `clock_s` have passed.

    A resumed run with the same budget takes the number of epochs from `path`, where the first run wrote it; another
    budget counts from epoch `done` on. In a distributed training all processes call this, and the first one decides.

    Raises:
        ConfigError: the batches' sizes are not known, or the budget does not hold the shortest training.
    """
    asked = {"max_train_minutes": minutes, "max_epoch": max_epoch}
    plan = first_process(_planned(path) if resume else None) or {}
    taken = {int(epoch): steps for epoch, steps in plan.get("steps", {}).items()}
    if not isinstance(train, PlannedBatches) or any(batches.sizes is None for _, batches in train.groups):
        raise ConfigError("--max_train_minutes needs --iterator_type sequence and a shape file of the speech")
    before = _measured(plan)
    if {key: plan.get(key) for key in asked} == asked and before and len(before.sizes) == len(train.groups):
        return Pace(path, asked, plan["epochs"], before, train, clock_s, taken)
    measured = costs()
    left_s = first_process(MARGIN * 60 * minutes - clock_s())
    if first_process(measured.training_s(train, done + 1, done) > left_s):
        train.set_steps(train.steps)  # a pass over the data is too long: epochs become parts of it
    epochs = first_process(_epochs(measured, train, left_s, max_epoch, done))
    if epochs == 0:
        _check_least(measured, train, minutes, clock_s())
    epochs = max(1, epochs)
    logging.info(f"budget of {minutes:g} minutes: {epochs} epochs, {left_s:.0f} s left")
    return Pace(path, asked, epochs, measured, train, clock_s, taken)


def _epochs(costs: StepCosts, train: PlannedBatches, left_s: float, max_epoch: int, done: int) -> int:
    """Number of the last epoch; `done` where the time is over."""
    epochs = epochs_in(left_s, lambda epochs: costs.training_s(train, epochs, done), max_epoch, done)
    if train.adjustable:  # so that a probe which other work disturbed can be made up for
        epochs = min(max_epoch, max(epochs, done + LEAST_EPOCHS))
        least = min(LEAST_STEPS, train.steps)
        while epochs > done and costs.steps_in(left_s, train, epochs, done) < least:
            epochs -= 1
    return epochs


def _check_least(costs: StepCosts, train: PlannedBatches, minutes: float, used_s: float) -> None:
    """Refuse a budget that would not hold the shortest training even if nothing of it had been used.

    That this start was slow, as the first one after an installation is, is no reason to refuse.
    """
    steps, step_s = min(LEAST_STEPS, train.steps), costs.steps_s(train, range(1, 2), 1)[0]
    least_s, budget_s = costs.fixed_s + steps * step_s, MARGIN * 60 * minutes
    if first_process(least_s > budget_s):
        needed = math.ceil((used_s + least_s) / 60 / MARGIN)
        raise ConfigError(
            f"--max_train_minutes {minutes:g}: a step takes {step_s:.1f} s here, a validation and a save "
            f"{costs.fixed_s:.1f} s, so {costs.steps_in(budget_s - used_s, train, 1)} steps fit, from which nothing is "
            f"learnt. Give at least {needed} minutes (better ten times that), or make the batches (--batch_bins, "
            "--batch_size) or the model smaller"
        )


def _measured(plan: dict[str, Any]) -> StepCosts | None:
    values = plan.get("measured")
    if values and not isinstance(values["sizes"][0], list):  # of an earlier version, which knew one group
        values = {**values, "sizes": [values["sizes"]], "seconds": [values["seconds"]]}
    return StepCosts(**values) if values else None


def _planned(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
