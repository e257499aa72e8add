"""Batches of every epoch: ESPnet's, counted, and shorter utterances first where a curriculum is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.iterators.sequence_iter_factory import SequenceIterFactory, worker_init_fn
from torch.utils.data import DataLoader

from espnet_jst.errors import ConfigError
from espnet_jst.text.lines import read_lines
from espnet_jst.training.processes import is_distributed


class PlannedBatches(AbsIterFactory):
    """Batches of a training that know their number, and how long the training is.

    Attributes:
        groups: share of the steps and batches of each group of data.
        adjustable: whether an epoch is a number of steps, not one pass over the data of the first group.
        epochs: number of epochs of the whole training, which a curriculum is a share of.
    """

    groups: Sequence[tuple[float, CountedBatches]]
    adjustable: bool

    def __init__(self) -> None:
        self.epochs = 0
        self.begin: Callable[[int], object] | None = None

    def plan(self, epochs: int, begin: Callable[[int], object] | None = None) -> None:
        """Set the number of epochs of the whole training.

        Args:
            epochs: that number.
            begin: called with the number of an epoch before its batches are made; it may call `set_steps`.
        """
        self.epochs, self.begin = epochs, begin

    @property
    @abstractmethod
    def steps(self) -> int:
        """Number of batches of an epoch."""

    @abstractmethod
    def set_steps(self, steps: int) -> None:
        """Set the number of batches of the following epochs."""

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> Iterable[Any]:
        """The batches of an epoch, in the order that the seed and the epoch's number give."""
        if self.begin is not None:
            self.begin(epoch)
        return self._build(epoch, shuffle)

    @abstractmethod
    def _build(self, epoch: int, shuffle: bool | None) -> Iterable[Any]: ...


class CountedBatches(PlannedBatches):
    """ESPnet's sequence of batches, which also knows its length and sizes, with an optional curriculum.

    In the first part of a training, batches are drawn (with replacement) from those whose longest utterance is at most
    a limit, which grows linearly with every step from a quantile of the lengths to the longest. What an epoch holds
    depends on its number and on the number of epochs alone.

    Args:
        base: ESPnet's factory.
        lengths: speech length of each utterance, in any unit; needed for a curriculum and for a time budget.
        curriculum: share of the training in which the limit grows; 0 for none.
        curriculum_start: quantile of the longest utterances of the batches that the limit starts from.
    """

    def __init__(
        self,
        base: SequenceIterFactory,
        lengths: dict[str, int] | None = None,
        *,
        curriculum: float = 0.0,
        curriculum_start: float = 0.15,
    ) -> None:
        for name, share in (("curriculum", curriculum), ("curriculum_start", curriculum_start)):
            if not 0 <= share <= 1:
                raise ConfigError(f"--{name} {share}: give a share from 0 to 1")
        super().__init__()
        self.base, self.groups, self.adjustable = base, [(1.0, self)], base.num_iters_per_epoch is not None
        self.batches: list[Sequence[str]] = list(base.sampler)
        self.curriculum, self.curriculum_start = curriculum, curriculum_start
        self.longest = np.array([max(lengths[k] for k in batch) for batch in self.batches]) if lengths else None
        if self.longest is not None:
            self.longest = _longest_on_any_rank(self.longest)
        self.sizes = None if self.longest is None else self.longest * np.array([len(b) for b in self.batches])

    @property
    def steps(self) -> int:
        return self.base.num_iters_per_epoch or len(self.batches)

    def set_steps(self, steps: int) -> None:
        self.base.num_iters_per_epoch, self.adjustable = steps, True

    def admitted(self, epoch: int, epochs: int) -> np.ndarray:
        """How many of the batches, by length, each step of epoch `epoch` (from 1) of `epochs` draws from, (steps,)."""
        count = len(self.batches)
        if self.longest is None or not self.curriculum:
            return np.full(self.steps, count)
        progress = (epoch - 1 + np.arange(self.steps) / self.steps) / (self.curriculum * epochs)
        first = np.quantile(self.longest, self.curriculum_start)
        limits = first + (self.longest.max() - first) * np.minimum(progress, 1.0)
        return np.maximum(1, np.searchsorted(np.sort(self.longest), limits, side="right"))

    def _build(self, epoch: int, shuffle: bool | None) -> Iterable[Any]:
        admitted = self.admitted(epoch, self.epochs)
        if admitted[0] == len(self.batches):
            return self.base.build_iter(epoch, shuffle)
        assert self.longest is not None
        by_length = np.argsort(self.longest, kind="stable")
        drawn = np.random.RandomState(epoch + self.base.seed).random_sample(self.steps) * admitted
        return self._load([self.batches[i] for i in by_length[drawn.astype(int)]], epoch)

    def probe(self, count: int) -> tuple[Iterable[Any], np.ndarray]:
        """About `count` batches spread evenly over the sizes, in mixed order, and their sizes (samples, padded)."""
        assert self.sizes is not None
        order = np.argsort(self.sizes, kind="stable")
        picked = order[np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))]
        # A probe that is cut short has seen large and small ones; one that has time for a single step, the smallest.
        picked = np.concatenate([picked[:1], np.random.RandomState(0).permutation(picked[1:])])
        return self._load([self.batches[i] for i in picked], 0), self.sizes[picked]

    def _load(self, batches: list[Sequence[str]], epoch: int) -> DataLoader:
        base = self.base
        return DataLoader(
            dataset=base.dataset,
            batch_sampler=[list(batch) for batch in batches],
            num_workers=base.num_workers,
            pin_memory=base.pin_memory,
            worker_init_fn=partial(worker_init_fn, base_seed=epoch + base.seed),
            collate_fn=base.collate_fn,
        )


def speech_lengths(shape_files: Sequence[str]) -> dict[str, int]:
    """Length of each utterance from the shape file of the speech (the first one where none is called so).

    Raises:
        ConfigError: there is no such file, or it holds no numbers.
    """
    named = [file for file in shape_files if Path(file).name.startswith("speech")] or list(shape_files)
    if not named:
        raise ConfigError("--train_shape_file is missing: a curriculum or a time budget needs the lengths")
    lengths = {}
    for line in read_lines(named[0]):
        key, _, shape = line.strip().partition(" ")
        first = shape.split(",")[0]
        if not first.isdecimal():
            raise ConfigError(f"{named[0]}: no length after {key!r}: give utt2num_samples or speech_shape")
        lengths[key] = int(first)
    return lengths


def _longest_on_any_rank(longest: np.ndarray) -> np.ndarray:
    # A rank holds a part of each batch; all must leave out the same batches.
    if not is_distributed():
        return longest
    device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
    shared = torch.as_tensor(longest, device=device)
    torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
    return shared.cpu().numpy()
