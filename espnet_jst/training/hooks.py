"""What the task and the trainer ask of an optimizer and of a schedule that want to know more than ESPnet tells them.

What they tell the modules of a model, and a schedule that wants to know the epoch, is
`espnet_jst.scheduled.Scheduled`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler
from torch import nn


class ModelOptimizer(ABC):
    """An optimizer that treats the parameters of a model differently; a base class beside torch.optim's.

    Attributes:
        product_dtype: of its own matrix products, see `--train_dtype`.
        clips: whether it limits the gradient itself, so that ESPnet's `--grad_clip` is to be off.
    """

    product_dtype = torch.float32
    clips = False

    @staticmethod
    @abstractmethod
    def groups(model: nn.Module) -> list[dict[str, Any]]:
        """The parameters of a model in groups, as torch.optim takes them."""


class PlannedScheduler(AbsBatchStepScheduler):
    """A schedule that depends on the length of the whole training."""

    @abstractmethod
    def plan(self, total_steps: int | None) -> None:
        """Called at the start, and again whenever the length changes.

        Args:
            total_steps: updates of the weights; None where the batches are not counted.

        Raises:
            ConfigError: it is None, and the schedule was not given the number either.
        """
