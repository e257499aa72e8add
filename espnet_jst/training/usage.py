"""CPU seconds that a training used, over all its runs."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import torch

from espnet_jst.config import json_text
from espnet_jst.training.processes import is_distributed
from espnet_jst.weights import atomic_save

SAVE_INTERVAL_S = 5.0


class CPUClock:
    """Process CPU seconds of this process and of its finished workers, added to those of earlier runs.

    Args:
        path: file that carries the sum from run to run; written now and then, so that a kill loses seconds only.
        fresh: start from zero, whatever the file says.
    """

    def __init__(self, path: str | Path, *, fresh: bool) -> None:
        self.path = Path(path)
        self.before = {"cpu_s": 0.0, "wall_s": 0.0, "runs": 0}
        if not fresh and self.path.is_file():
            self.before.update(json.loads(self.path.read_text(encoding="utf-8")))
        self._started = time.monotonic()
        self._saved = self._started

    def seconds(self) -> float:
        """CPU seconds of all runs so far, from the start of each process, imports included."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return self.before["cpu_s"] + time.process_time() + children.ru_utime + children.ru_stime

    def wall_seconds(self) -> float:
        """Seconds on the wall of all runs so far, without the imports."""
        return self.before["wall_s"] + time.monotonic() - self._started

    def save(self, *, now: bool = False) -> None:
        """Write the file, unless it was written a moment ago."""
        if now or time.monotonic() - self._saved >= SAVE_INTERVAL_S:
            self._saved = time.monotonic()
            self.path.parent.mkdir(parents=True, exist_ok=True)  # by the first process, which may come later
            used = {"cpu_s": self.seconds(), "wall_s": self.wall_seconds(), "runs": self.before["runs"] + 1}
            atomic_save(lambda stream: stream.write(json_text(used).encode()), self.path)

    def summary(self) -> str:
        """One line for the end of the training; all processes of a distributed one call this, and it has their sum."""
        runs = int(self.before["runs"]) + 1
        over = f" over {runs} runs" if runs > 1 else ""
        used = self.seconds()
        if is_distributed():
            shares: list[float] = [0.0] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(shares, used)
            used, over = sum(shares), f" of {len(shares)} processes{over}"
        return f"training used {used:.0f} process CPU seconds ({self.wall_seconds():.0f} s on the wall){over}"
