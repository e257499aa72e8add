"""The files of a training run: what a kill left behind is completed before the run goes on."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from espnet2.train.reporter import Reporter

from espnet_jst.errors import CheckpointError
from espnet_jst.token_marks import TokenLists, check_marks
from espnet_jst.weights import atomic_link, atomic_save, safe_load, temporary_name

CHECKPOINT = "checkpoint.pth"
PREVIOUS = "checkpoint.prev.pth"
KEYS = ("model", "reporter", "optimizers", "schedulers", "scaler")


def read_checkpoint(path: str | Path, *, map_location: Any = "cpu", mmap: bool = False) -> dict[str, Any]:
    """A training checkpoint.

    Raises:
        CheckpointError: it is damaged, unsafe or something else; names the checkpoint before it where there is one.
    """
    path = Path(path)
    try:
        states = safe_load(path, map_location=map_location, mmap=mmap)
    except CheckpointError as error:
        previous = path.with_name(PREVIOUS)
        if path.name == CHECKPOINT and previous.is_file():
            raise CheckpointError(f"{error}. To go on one epoch earlier: mv {previous} {path}") from error
        raise
    missing = [key for key in KEYS if not isinstance(states, Mapping) or key not in states]
    if missing:
        lacks = ", ".join(missing)
        raise CheckpointError(f"{path} is no training checkpoint, it lacks {lacks}: use a new --output_dir")
    return states


def check_checkpoint(output_dir: Path, lists: TokenLists) -> None:
    """Refuse to go on in a folder whose checkpoint was trained with other token lists; nothing to do without one.

    Raises:
        CheckpointError: it was, or it cannot be read.
    """
    path = output_dir / CHECKPOINT
    if path.is_file():
        check_marks(read_checkpoint(path, mmap=True)["model"], dict(lists.named_buffers()), path)


def save_checkpoint(states: Mapping[str, Any], path: str | Path) -> None:
    """Write the checkpoint and keep the one before it, which costs a link.

    Raises:
        CheckpointError: it could not be written; the one before it is unchanged.
    """
    path = Path(path)
    before = path.with_name(PREVIOUS)
    if path.is_file():
        temporary = temporary_name(before)
        temporary.unlink(missing_ok=True)
        try:
            os.link(path, temporary)
            os.replace(temporary, before)
        except OSError as error:  # a file system without hard links
            temporary.unlink(missing_ok=True)
            logging.info(f"{before} is not kept: {error}")
    atomic_save(lambda stream: torch.save(dict(states), stream), path)


def save_file(state: Any, path: str | Path) -> None:
    """What ESPnet's trainer saves, atomically; of the checkpoint the one before is kept."""
    if Path(path).name == CHECKPOINT:
        save_checkpoint(state, path)
    else:
        atomic_save(lambda stream: torch.save(state, stream), path)


def repair(output_dir: Path, best_model_criterion: Sequence[Sequence[str]]) -> int:
    """Write what ESPnet writes after the checkpoint and a kill may have prevented: the epoch's model and the links.

    Returns:
        The epoch that the checkpoint ends, 0 where there is none.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    checkpoint = output_dir / CHECKPOINT
    for leftover in output_dir.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)
    if not checkpoint.is_file():
        return 0
    states = read_checkpoint(checkpoint, mmap=True)
    reporter = Reporter()
    reporter.load_state_dict(states["reporter"])
    epoch = reporter.get_epoch()
    model = output_dir / f"{epoch}epoch.pth"
    if not model.is_file():
        logging.warning(f"{model} is missing (the run was killed while saving): written again from {checkpoint}")
        atomic_save(lambda stream: torch.save(states["model"], stream), model)
    atomic_link(output_dir / "latest.pth", model.name)
    for phase, key, mode in best_model_criterion:
        if reporter.has(phase, key):
            best = f"{reporter.get_best_epoch(phase, key, mode)}epoch.pth"
            if (output_dir / best).is_file():
                atomic_link(output_dir / f"{phase}.{key}.best.pth", best)
    return epoch
