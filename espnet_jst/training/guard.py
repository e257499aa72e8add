"""Batches whose loss is not finite: written down, and too many of them end the training."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from espnet_jst.data.checks import Problem, write_problems
from espnet_jst.errors import TrainingStoppedError

WINDOW_STEPS = 1000
MOST_SHARE = 0.01


class LossGuard:
    """Keeps account of the batches of which no update was made.

    Args:
        path: file that gets a line for every utterance whose loss was not finite, in every epoch, in the form of
            `skipped.jsonl`. It is made with the first line.
        fresh: begin the file anew. The steps are counted from the start of this run in any case.
        window: so many steps are looked back on.
        most: largest share of them that may be without an update.
    """

    def __init__(self, path: str | Path, *, fresh: bool, window: int = WINDOW_STEPS, most: float = MOST_SHARE) -> None:
        self.path, self.window, self.most = Path(path), window, round(most * window)
        self._step, self._bad_steps = 0, deque[int]()
        if fresh:
            self.path.unlink(missing_ok=True)

    def write(self, utterances: Sequence[str], epoch: int) -> None:
        """Write utterances down."""
        if not utterances:
            return
        reason = f"its loss is not finite (epoch {epoch})"
        fix = "check its audio and text, or leave it out; where it is another one each time, lower the learning rate"
        write_problems(self.path, [Problem(name, reason, fix, "loss-not-finite") for name in utterances], append=True)

    def step(self, utterances: Sequence[str], epoch: int) -> None:
        """Count a training step; `utterances` are those of its batch whose loss was not finite.

        Raises:
            TrainingStoppedError: too many of the last steps made no update.
        """
        self._step += 1
        if not utterances:
            return
        self.write(utterances, epoch)
        self._bad_steps.append(self._step)
        while self._bad_steps[0] <= self._step - self.window:
            self._bad_steps.popleft()
        if len(self._bad_steps) > self.most:
            raise TrainingStoppedError(
                f"{len(self._bad_steps)} of the last {min(self._step, self.window)} steps made no update, because the "
                f"loss was not finite, most recently that of {', '.join(utterances[:3])}; at most {self.most} in "
                f"{self.window} may. {self.path} has all of them: repair or leave out these utterances, or lower the "
                "learning rate, and run again with --resume true"
            )
