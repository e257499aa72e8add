"""What changes while a training goes on, without a counter of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Scheduled(ABC):
    """Base of the modules, and of the schedulers, that depend on how far the training is: a warm-up, a dropout that
    falls, a learning rate that knows the epoch.
    """

    @abstractmethod
    def at(self, step: int, epoch: int) -> None:
        """Called before every training step.

        Args:
            step: batches that the whole training has used, `--accum_grad` of them an update; a resumed one goes on
                counting.
            epoch: number of the epoch, from 1.
        """
