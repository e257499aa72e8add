"""What a training step, a validation and a save cost here: measured on a copy of the model before the first epoch."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.torch_utils.device_funcs import to_device

from espnet_jst.training.batches import CountedBatches, PlannedBatches
from espnet_jst.training.processes import first_process, is_distributed
from espnet_jst.weights import atomic_save, temporary_name

PROBED_STEPS = 20
PROBE_SHARE = 0.05  # of the budget, after which nothing further is timed but one step
PROBED_VALIDATION = 4
FORWARD_SHARE = 0.35  # of a training step's time, where there is none to time a validation
SAVED_BYTES_S = 1e8  # where there is no time to save
COMPILATION_S = 30.0  # a first step that takes longer, and longer than the budget, is slow by itself


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
