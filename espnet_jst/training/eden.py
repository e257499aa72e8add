"""Eden, the learning rate of the Zipformer (arXiv:2310.11230, section 3.5): it falls with updates and with epochs."""

from __future__ import annotations

from typing import Any

from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from espnet_jst.keys import takes
from espnet_jst.scheduled import Scheduled
from espnet_jst.training.conf import EdenConf


class Eden(LRScheduler, AbsBatchStepScheduler, Scheduled):
    """`--scheduler eden`: the rate of update n, from 1, after e whole epochs is the optimizer's `lr` times

        (1 + (n / lr_batches)^2)^-1/4  (1 + (e / lr_epochs)^2)^-1/4

    and, in the first updates, a factor that rises linearly. It does not depend on how long the training will be: one
    that ended may go on with more epochs. A trainer that tells no epoch, as ESPnet's own, leaves e at 0.

    Args:
        optimizer: the optimizer.
        last_epoch: updates already done, as in every PyTorch scheduler.
    """

    @takes(EdenConf)
    def __init__(self, optimizer: Optimizer, *, last_epoch: int = -1, conf: EdenConf) -> None:
        self.conf, self.epochs = conf, 0
        super().__init__(optimizer, last_epoch)

    def at(self, step: int, epoch: int) -> None:
        """Take over the epoch; updates are counted by `step()`, because a step of the trainer need not be one."""
        if epoch - 1 != self.epochs:
            self.epochs = epoch - 1
            for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
                group["lr"] = rate
            self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:  # type: ignore[override]
        """Rate of each parameter group at the next update."""
        factor = self.factor(self.last_epoch + 1, self.epochs)
        return [float(base) * factor for base in self.base_lrs]

    def factor(self, update: int, epochs: int) -> float:
        """Share of the optimizer's `lr` in an update, from 1, after so many whole epochs."""
        conf = self.conf
        fall = ((1 + (update / conf.lr_batches) ** 2) * (1 + (epochs / conf.lr_epochs) ** 2)) ** -0.25
        risen = min(1.0, update / conf.warmup_steps) if conf.warmup_steps else 1.0
        return fall * (conf.warmup_start + (1 - conf.warmup_start) * risen)

    def state_dict(self) -> dict[str, Any]:
        """The state without the keys, which belong to the run and not to the checkpoint."""
        return {key: value for key, value in super().state_dict().items() if key != "conf"}

    def __repr__(self) -> str:
        conf = self.conf
        return f"Eden(lr_batches {conf.lr_batches:g}, lr_epochs {conf.lr_epochs:g}, warm-up {conf.warmup_steps} steps)"
