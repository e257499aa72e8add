"""Groups of data with different inputs: every batch is of one group, and the groups take turns (`--train_groups`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espnet_jst.training.batches import CountedBatches, PlannedBatches


def turns(shares: Sequence[float], steps: int) -> list[int]:
    """Which group has each of `steps` steps, by its place: the one that is furthest behind its share, (steps,)."""
    taken, order = [0] * len(shares), []
    for step in range(1, steps + 1):
        behind = [share * step - count for share, count in zip(shares, taken, strict=True)]
        order.append(behind.index(max(behind)))
        taken[order[-1]] += 1
    return order


class GroupedBatches(PlannedBatches):
    """Batches of several groups, which take turns in the same way in every epoch, on every rank, and after a resume.

    An epoch is as long as the first group needs for a pass over its data, or has as many steps as
    `--num_iters_per_epoch` says. The other groups go on, epoch after epoch, where they stopped. Each has its own
    curriculum.

    Args:
        first: the first group.
        others: share of the steps and batches of each further one.
    """

    def __init__(self, first: CountedBatches, others: Sequence[tuple[float, CountedBatches]]) -> None:
        super().__init__()
        share = 1.0 - sum(other for other, _ in others)
        self.groups, self.adjustable = [(share, first), *others], first.adjustable
        self._order: list[int] = []
        self._take_turns(first.steps if first.adjustable else round(first.steps / share))

    @property
    def steps(self) -> int:
        return len(self._order)

    def set_steps(self, steps: int) -> None:
        self.adjustable = True
        self._take_turns(steps)

    def _take_turns(self, steps: int) -> None:
        self._order = turns([share for share, _ in self.groups], steps)
        for place, (_, batches) in enumerate(self.groups):
            batches.set_steps(self._order.count(place))

    def _build(self, epoch: int, shuffle: bool | None) -> Iterable[Any]:
        loaders = {}
        for place in sorted(set(self._order)):
            batches = self.groups[place][1]
            batches.plan(self.epochs)
            loaders[place] = batches.build_iter(epoch, shuffle)
        return _InTurn(self._order, loaders)


@dataclass(frozen=True)
class _InTurn:
    """The batches of an epoch, each from the loader whose turn it is."""

    order: Sequence[int]
    loaders: Mapping[int, Iterable[Any]]

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Any]:
        batches = {place: iter(loader) for place, loader in self.loaders.items()}
        for place in self.order:
            yield next(batches[place])
