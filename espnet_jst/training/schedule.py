"""Learning rate: linear warm-up, then a half cosine to the end of training."""

from __future__ import annotations

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from espnet_jst.errors import ConfigError
from espnet_jst.keys import takes
from espnet_jst.training.conf import WarmupCosineConf
from espnet_jst.training.hooks import PlannedScheduler


class WarmupCosine(LRScheduler, PlannedScheduler):
    """`--scheduler warmupcosine`: a step is an update of the weights; the peak is the optimizer's `lr`.

    Args:
        optimizer: the optimizer.
        last_epoch: steps already done, as in every PyTorch scheduler.
    """

    @takes(WarmupCosineConf)
    def __init__(self, optimizer: Optimizer, *, last_epoch: int = -1, conf: WarmupCosineConf) -> None:
        self.warmup_share, self.warmup_steps, self.final_share = conf.warmup_share, conf.warmup_steps, conf.final_share
        self.given_steps = conf.total_steps
        self.total_steps = conf.total_steps or 0
        super().__init__(optimizer, last_epoch)

    def plan(self, total_steps: int | None) -> None:
        """Set the number of steps of the whole training, and the rate of the next one; see `PlannedScheduler`."""
        if not (self.given_steps or total_steps):
            raise ConfigError("--scheduler warmupcosine needs --iterator_type sequence or scheduler_conf.total_steps")
        self.total_steps = self.given_steps or total_steps or 0
        for group, rate in zip(self.optimizer.param_groups, self.get_lr()):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:  # type: ignore[override]
        """Rate of each parameter group at the next step."""
        return [float(base) * self.factor(self.last_epoch) for base in self.base_lrs]

    def factor(self, step: int) -> float:
        """Share of the peak after `step` updates."""
        total = max(1, self.total_steps)
        warmup = self.warmup_steps if self.warmup_steps is not None else math.ceil(self.warmup_share * total)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, total - warmup))
        return self.final_share + (1 - self.final_share) * 0.5 * (1 + math.cos(math.pi * progress))

    def state_dict(self) -> dict[str, Any]:
        """The state without the length of the training, which belongs to the run and not to the checkpoint."""
        return {key: value for key, value in super().state_dict().items() if key not in ("total_steps", "given_steps")}

    def __repr__(self) -> str:
        warmup = self.warmup_steps if self.warmup_steps is not None else f"{self.warmup_share:g} of all"
        return f"WarmupCosine(warm-up {warmup} steps, total {self.total_steps or 'not known yet'})"
