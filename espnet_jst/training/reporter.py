"""ESPnet's reporter with a state of plain values, and pictures drawn now and then instead of every epoch."""

from __future__ import annotations

import datetime
import time
from pathlib import Path
from typing import Any

import numpy as np
from espnet2.train.reporter import Reporter

PLOT_INTERVAL_S = 300.0


class JSTReporter(Reporter):
    """Reporter whose checkpoint loads without NumPy's unpickling, and that does not plot every few seconds.

    ESPnet draws one picture a statistic after every epoch: seconds of CPU time each time, which is most of a short
    epoch.
    """

    def __init__(self, epoch: int = 0) -> None:
        super().__init__(epoch)
        self._plotted_s = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Epoch and statistics as Python numbers and time spans."""
        return _plain(super().state_dict())

    def matplotlib_plot(self, output_dir: str | Path) -> None:
        """Draw the pictures, unless they were drawn less than five minutes ago."""
        if time.monotonic() - self._plotted_s >= PLOT_INTERVAL_S:
            self.finish_plots(output_dir)

    def finish_plots(self, output_dir: str | Path) -> None:
        """Draw the pictures now."""
        if self.epoch in self.stats:
            super().matplotlib_plot(Path(output_dir))
            self._plotted_s = time.monotonic()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (int, float, str, datetime.timedelta)) or value is None:
        return value
    return float(value)
