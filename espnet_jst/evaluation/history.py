"""Values per epoch from ESPnet's train.log."""

from __future__ import annotations

import re
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.text.lines import read_lines

_RESULTS = re.compile(r"(\d+)epoch results: (.*)$")
_PART = re.compile(r"\[(\w+)\] ")
_VALUE = re.compile(r"(\w+)=([-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf))(?=[,\s]|$)")
_NOT_CURVES = ("time", "total_count")  # "time" is written in words


def read_history(path: Path | str) -> list[dict]:
    """Read the epochs of a training.

    Args:
        path: an experiment directory with train.log, or the log itself.

    Returns:
        One dict an epoch, in order: {"epoch": 3, "train": {"loss": 1.2, ...}, "valid": {...}}. Where an epoch was run
        again after a resume, the last run counts.

    Raises:
        DataError: there is no log, or no epoch in it is complete.
    """
    path = Path(path)
    log = path / "train.log" if path.is_dir() else path
    if not log.exists():
        raise DataError(f"{log} does not exist; give the experiment directory of a training or its train.log")
    epochs: dict[int, dict] = {}
    for line in read_lines(log, errors="replace"):
        found = _RESULTS.search(line)
        if not found:
            continue
        _, *parts = _PART.split(found.group(2))
        entry: dict = {"epoch": int(found.group(1))}
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            values = {key: float(value) for key, value in _VALUE.findall(text) if key not in _NOT_CURVES}
            if values:
                entry[name] = values
        epochs[entry["epoch"]] = entry
    if not epochs:
        raise DataError(f"{log} has no line with the results of an epoch; is the first epoch over?")
    return [epochs[number] for number in sorted(epochs)]
