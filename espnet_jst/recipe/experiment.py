"""What the training of an experiment began with: it goes on only where nothing but its length changed."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_jst.config import read_json, read_yaml
from espnet_jst.recipe.stamp import as_json, digests, write_stamp

LENGTHS = ("max_train_minutes", "max_epoch")
# Options of jst_train that say where, how fast and how loudly it runs, or what is kept of it.
INDIFFERENT = frozenset(
    {"output_dir", "resume", "ngpu", "num_workers", "log_level", "log_interval", "cpu_processes", "patience"}
    | {"keep_nbest_models", "nbest_averaging_interval", "use_tensorboard", "use_matplotlib", "num_att_plot"}
    | {"multiprocessing_distributed", "dist_backend", "dist_init_method", "dist_launcher", "dist_world_size"}
    | {"dist_rank", "dist_master_addr", "dist_master_port", "local_rank", "config", *LENGTHS}
)
EARLIER = "earlier"
_MOVED = ("*.pth", "config.yaml", "train.log", "budget.json", "training_time.json", "made.json", "skipped.jsonl")


def beginning(command: Sequence[str], config: str | Path, inputs: Sequence[Path]) -> dict[str, Any]:
    """What a training is made from, as JSON keeps it.

    Args:
        config: its configuration, which counts as what it says and not as a file.
    """
    files = {path: value for path, value in digests(inputs).items() if Path(path).suffix not in (".yaml", ".yml")}
    return as_json({"options": options_of(command), "config": read_yaml(config), "files": files})


def options_of(command: Sequence[str]) -> dict[str, list[str]]:
    """Option -> its values, of a command line in which an option may be repeated."""
    found: dict[str, list[str]] = {}
    values: list[str] = []
    for word in command:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            values = found.setdefault(name, [])
            values += [value] if equals else []
        else:
            values.append(word)
    return found


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What keeps a training from going on: names of options, keys of the configuration and files."""
    found = []
    for part in ("options", "config", "files"):
        old, new = before.get(part) or {}, now.get(part) or {}
        prefix = "--" if part == "options" else ""
        names = [name for name in {**old, **new} if part == "files" or name not in INDIFFERENT]
        found += [f"{prefix}{name}" for name in names if old.get(name) != new.get(name)]
    return found + [f"--{name}" for name in LENGTHS if _length(now, name) < _length(before, name)]


def _length(start: Mapping[str, Any], name: str) -> float:
    """The last value that counts, infinite where there is none: a training can become longer, and not shorter."""
    given = (start.get("options") or {}).get(name) or [(start.get("config") or {}).get(name)]
    try:
        return float(given[-1]) or math.inf
    except (TypeError, ValueError):
        return math.inf


def open_experiment(folder: Path, start: Mapping[str, Any], *, force: bool) -> tuple[bool, str]:
    """Decide whether the training in a folder goes on, and write down what it begins with.

    Returns:
        Whether it goes on (where it has a checkpoint), and a line for the user where it begins again.
    """
    file = folder / ".stages" / "11-start.json"
    before, note, resume = read_json(file), "", True
    if (folder / "checkpoint.pth").is_file():
        # The record of an earlier version has no files: nothing can be said, and the weights know their token lists.
        changed = changes(before, start) if "files" in before else []
        if force or changed:
            # Moved also with --force: a kill before the first epoch must not leave them to be gone on from.
            kept, resume = put_aside(folder), False
            more = f" and {len(changed) - 6} more" if len(changed) > 6 else ""
            why = f": {', '.join(changed[:6])}{more} changed" if changed else ""
            note = f"The training in {folder} begins again{why}. The model before is in {kept}"
    write_stamp(file, start)
    return resume, note


def put_aside(folder: Path) -> Path:
    """Move model and log of the training before into a folder of their own, which holds the last one only."""
    kept = folder / EARLIER
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for pattern in _MOVED:
        for path in sorted(folder.glob(pattern)):
            path.rename(kept / path.name)
    return kept
