"""The last update of an epoch, where `--accum_grad` does not divide its number of steps.

ESPnet leaves the gradient of those steps to the next epoch. No checkpoint holds it: a resumed training would lose it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler
from espnet2.torch_utils.add_gradient_noise import add_gradient_noise


def updates(steps: int, accum_grad: int) -> int:
    """Updates of the weights in an epoch of so many steps."""
    return -(-steps // accum_grad)


def last_update(
    model: torch.nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    schedulers: Sequence[Any],
    scaler: Any,
    options: Any,
    *,
    left: int,
    done: int,
) -> bool:
    """Update the weights from the mean gradient of the steps that are left, as ESPnet does from `accum_grad` of them.

    Args:
        scaler: of mixed precision, or None.
        options: `accum_grad`, `grad_clip`, `grad_clip_type` and `grad_noise` are read.
        left: steps since the last update, at least 1; each added its gradient / `accum_grad`.
        done: steps of the whole training so far.

    Returns:
        Whether an update was made: none is of a gradient that is not finite.
    """
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(options.accum_grad / left)
    for optimizer in optimizers if scaler is not None else ():
        scaler.unscale_(optimizer)
    if options.grad_noise:
        add_gradient_noise(model, done, duration=100, eta=1.0, scale_factor=0.55)  # ESPnet's values
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), options.grad_clip, norm_type=options.grad_clip_type)
    finite = bool(torch.as_tensor(norm).isfinite())
    for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
        if scaler is not None:
            scaler.step(optimizer)  # makes no update of a gradient that is not finite
            scaler.update()
        elif finite:
            optimizer.step()
        if finite and isinstance(scheduler, AbsBatchStepScheduler):
            scheduler.step()
        optimizer.zero_grad()
    return finite
