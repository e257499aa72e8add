"""Groups of data with different inputs: every batch is of one group, and the groups take turns (`--train_groups`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from espnet_jst.config import shown
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, read, read_table, required
from espnet_jst.training.batches import CountedBatches, PlannedBatches


@dataclass(frozen=True, kw_only=True)
class GroupSpec(Conf):
    """One entry of `train_groups`, `name`: training data beside `--train_data_path_and_name_and_type`."""

    name: str
    data: Sequence[Sequence[str]] = required("[file, name, type] of each of its data, as that option has them")
    shape_files: Sequence[str] = required("lengths of its utterances, as --train_shape_file")
    share: float = required("share of all steps; what the groups leave is that of the first data set", low=0, high=1)
    batch_size: int | None = key(None, "as the option of that name, which it is by default", low=1)
    batch_bins: int | None = key(
        None, "the same; lengths of another unit, such as tokens beside samples, need another number", low=1
    )

    def check(self) -> None:
        """Refuse data that are no triples, and a share that is none or all."""
        for row in self.data:
            if isinstance(row, str) or len(row) != 3 or not all(isinstance(item, str) for item in row):
                raise ConfigError(f"data: {shown(row)}: give [file, name, type], such as [text.en, src_text, text]")
        if not 0 < self.share < 1:
            raise ConfigError(f"share is {self.share}: give a share of the steps, between 0 and 1")

    @property
    def where(self) -> str:
        """What a message calls it."""
        return f"train_groups.{self.name}"

    @property
    def names(self) -> list[str]:
        """Names of its data."""
        return [name for _, name, _ in self.data]

    def options(self, first: Any) -> Any:
        """ESPnet's options of the iterator for this group, from those for the first data set."""
        own = {"data_path_and_name_and_type": self.data, "shape_files": self.shape_files, "num_iters_per_epoch": None}
        sizes = {"batch_size": self.batch_size, "batch_bins": self.batch_bins}
        return replace(first, **own, **{key: size for key, size in sizes.items() if size is not None})


def parse_groups(groups: Mapping[str, Any] | None) -> list[GroupSpec]:
    """All entries of `train_groups`; there may be none.

    Raises:
        ConfigError: a key is missing or unknown, or a value cannot be used.
    """
    table = read_table(groups, "train_groups", lambda name, entry, where: read(GroupSpec, entry, where, name=name))
    specs = list(table.values())
    if sum(spec.share for spec in specs) >= 1:
        raise ConfigError("train_groups: the shares leave no step for the first data set: their sum must be below 1")
    return specs


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
        self._groups = [(share, first), *others]
        self._adjustable = first.adjustable
        self._order: list[int] = []
        self._take_turns(first.steps if first.adjustable else round(first.steps / share))

    @property
    def groups(self) -> list[tuple[float, CountedBatches]]:
        """Share of the steps and batches of each group."""
        return self._groups

    @property
    def steps(self) -> int:
        """Number of batches of an epoch."""
        return len(self._order)

    @property
    def adjustable(self) -> bool:
        """Whether an epoch is a number of steps, not one pass over the data of the first group."""
        return self._adjustable

    def set_steps(self, steps: int) -> None:
        """Set the number of batches of the following epochs."""
        self._adjustable = True
        self._take_turns(steps)

    def _take_turns(self, steps: int) -> None:
        self._order = turns([share for share, _ in self._groups], steps)
        for place, (_, batches) in enumerate(self._groups):
            batches.set_steps(self._order.count(place))

    def _build(self, epoch: int, shuffle: bool | None) -> Iterable[Any]:
        loaders = {}
        for place in sorted(set(self._order)):
            batches = self._groups[place][1]
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
