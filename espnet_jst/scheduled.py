"""What changes while a training goes on, without a counter of its own."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Scheduled(Protocol):
    """A module of the model that depends on how far the training is: its warm-up, a dropout that falls."""

    def at(self, step: int, epoch: int) -> None:
        """Called before every training step.

        Args:
            step: batches that the whole training has used, `--accum_grad` of them an update; a resumed one goes on
                counting.
            epoch: number of the epoch, from 1.
        """
