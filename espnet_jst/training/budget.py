"""A time budget: how many epochs fit, and how many steps each of them may take.

The first is found by timing real steps on a copy of the model before the first epoch. The second follows the clock from
epoch to epoch, so that a training ends in time, with its whole schedule, whatever else the machine does meanwhile.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.torch_utils.device_funcs import to_device

from espnet_jst.config import json_text
from espnet_jst.errors import ConfigError
from espnet_jst.training.batches import CountedBatches, PlannedBatches
from espnet_jst.training.processes import first_process, is_distributed, is_first
from espnet_jst.weights import atomic_save, temporary_name

PROBED_STEPS = 20
PROBE_SHARE = 0.05  # of the budget, after which nothing further is timed but one step
PROBED_VALIDATION = 4
FORWARD_SHARE = 0.35  # of a training step's time, where there is none to time a validation
SAVED_BYTES_S = 1e8  # where there is no time to save
COMPILATION_S = 30.0  # a first step that takes longer, and longer than the budget, is slow by itself
LEAST_EPOCHS = 5  # of shorter length, if it must be: the clock is looked at before each
LEAST_STEPS = 10  # of an epoch that a budget makes shorter: less is not worth its validation
MARGIN = 0.97  # of the budget; the rest is for the end, which nothing can make up for


@dataclass(frozen=True)
class StepCosts:
    """Seconds on the wall, measured.

    Attributes:
        sizes: padded samples of the probed training batches, ascending, for each group of data.
        seconds: time of a training step on each.
        validation_s: time of one validation.
        overhead_s: time of starting an epoch, and of saving a checkpoint and a model.
    """

    sizes: Sequence[Sequence[float]]
    seconds: Sequence[Sequence[float]]
    validation_s: float
    overhead_s: float

    def steps_s(self, train: PlannedBatches, numbers: range, epochs: int) -> list[float]:
        """Expected mean seconds of a step in each of some epochs, of a training of `epochs`."""
        total = np.zeros(len(numbers))
        for sizes, seconds, (share, batches) in zip(self.sizes, self.seconds, train.groups, strict=True):
            means = _mean_costs(sizes, seconds, batches)
            total += [share * means[batches.admitted(number, epochs) - 1].mean() for number in numbers]
        return total.tolist()

    def training_s(self, train: PlannedBatches, epochs: int, done: int = 0) -> float:
        """Expected seconds of the epochs after `done` of a training of `epochs`, with validation and saving."""
        numbers = range(done + 1, epochs + 1)
        return train.steps * sum(self.steps_s(train, numbers, epochs)) + len(numbers) * self.fixed_s

    def steps_in(self, left_s: float, train: PlannedBatches, epochs: int, done: int = 0) -> int:
        """How many steps each of the epochs after `done` has, if all of them together take at most `left_s`."""
        numbers = range(done + 1, epochs + 1)
        return max(0, int((left_s - len(numbers) * self.fixed_s) / sum(self.steps_s(train, numbers, epochs))))

    @property
    def fixed_s(self) -> float:
        """Seconds of an epoch without its steps."""
        return self.validation_s + self.overhead_s


def _mean_costs(sizes: Sequence[float], seconds: Sequence[float], batches: CountedBatches) -> np.ndarray:
    """Mean seconds of the n shortest batches, for every n, (N,), from those of some."""
    assert batches.longest is not None and batches.sizes is not None
    by_length = np.argsort(batches.longest, kind="stable")
    all_sizes = batches.sizes[by_length]
    # Beyond the largest batch that there was time for, the time grows with the size.
    costs = np.interp(all_sizes, sizes, seconds) * np.maximum(1.0, all_sizes / sizes[-1])
    return costs.cumsum() / np.arange(1, len(costs) + 1)


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


def measure(
    model: torch.nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    train: PlannedBatches,
    valid: Any,
    *,
    device: str,
    grad_clip: float,
    unused_parameters: bool,
    output_dir: Path,
    most_s: float,
) -> StepCosts:
    """Time training steps, validation steps and a save, on copies of the model.

    That takes about `most_s` seconds at most, or two steps on the smallest batch where these take longer, or one where
    that is longer than the budget. In a distributed training every process measures at the same time, and all get the
    first one's figures.
    """
    model, optimizers = copy.deepcopy((model, list(optimizers)))  # one copy: the optimizers follow their parameters
    parallel = partial(torch.nn.parallel.DistributedDataParallel, find_unused_parameters=unused_parameters)
    model.train()
    stepped = parallel(model) if is_distributed() else model

    def step(keys: Any, batch: Any) -> None:
        loss = stepped(utt_id=keys, **to_device(batch, device))[0]
        loss.backward()
        finite = torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip).isfinite()
        for optimizer in optimizers:
            if finite:  # as in training
                optimizer.step()
            optimizer.zero_grad()

    begun = time.perf_counter()
    ends_s = begun
    sizes, seconds, start_s = [], [], 0.0
    for share, batches in train.groups:
        ends_s += share * most_s  # what a group leaves goes to the next
        timed, first_s = _timed(batches, step, ends_s, max(COMPILATION_S, most_s / PROBE_SHARE))
        sizes.append([size for size, _ in timed])
        seconds.append([step_s for _, step_s in timed])
        start_s += max(0.0, first_s - float(np.mean(seconds[-1])))  # processes that load data start anew every epoch
    left_s = first_process(most_s - (time.perf_counter() - begun))
    forward_s = FORWARD_SHARE * float(np.mean(seconds[0]))
    validation_s = _validation_s(model, valid, device, left_s, forward_s)
    save_s = _save_s(model, optimizers, output_dir) if left_s > 0 else _saved_bytes(model) / SAVED_BYTES_S
    overhead_s = start_s + save_s
    return first_process(StepCosts(sizes, seconds, validation_s, overhead_s))


def _timed(
    batches: CountedBatches, step: Callable[[Any, Any], None], ends_s: float, hopeless_s: float
) -> tuple[list[tuple[float, float]], float]:
    """(size, seconds) of some batches of a group, by size, and the seconds of the first step.

    Args:
        step: takes one.
        ends_s: on the clock, when it should be over.
        hopeless_s: a step that takes longer is not repeated.
    """
    last = time.perf_counter()
    for keys, batch in batches.probe(1)[0]:
        step(keys, batch)  # compiles and fills caches, which no epoch pays again
    now = time.perf_counter()
    probe, sizes = batches.probe(PROBED_STEPS)
    if first_process(now - last > hopeless_s):
        return [(float(sizes[0]), now - last)], now - last
    timed, last = [], now
    for size, (keys, batch) in zip(sizes, probe, strict=False):
        step(keys, batch)
        now = time.perf_counter()
        timed.append((float(size), now - last))
        last = now
        if first_process(now + timed[-1][1] > ends_s):
            break
    return sorted(timed[1:] or timed, key=lambda pair: pair[0]), timed[0][1]


def _validation_s(model: torch.nn.Module, valid: Any, device: str, left_s: float, forward_s: float) -> float:
    """Seconds of a validation, measured in at most about `left_s`; `forward_s` is a guess at those of a batch."""
    batches = valid.build_iter(1)
    if forward_s > left_s:
        return forward_s * len(batches)
    model.eval()
    started = time.perf_counter()
    done = 0
    with torch.no_grad():
        for keys, batch in batches:
            model(utt_id=keys, **to_device(batch, device))
            done += 1
            if done == PROBED_VALIDATION or time.perf_counter() - started > left_s:
                break
    return (time.perf_counter() - started) / max(1, done) * len(batches)


def _saved_bytes(model: torch.nn.Module) -> int:
    """Bytes of a checkpoint with two moments, and of the model."""
    return 4 * sum(value.nbytes for value in model.state_dict().values())


def _save_s(model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], output_dir: Path) -> float:
    probe = output_dir / f"save_probe.{os.getpid()}"
    state = [model.state_dict(), [optimizer.state_dict() for optimizer in optimizers]]
    started = time.perf_counter()
    atomic_save(lambda stream: torch.save(state, stream), probe)
    probe.unlink()
    temporary_name(probe).unlink(missing_ok=True)
    return 1.5 * (time.perf_counter() - started)  # the model is saved once more by itself


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
