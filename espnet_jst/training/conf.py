"""Keys of a training: `optim_conf`, `scheduler_conf`, and the entries of `train_groups`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from espnet_jst.config import shown
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, read, read_table, required


@dataclass(frozen=True, kw_only=True)
class MuonConf(Conf):
    """Orthogonalised momentum for the matrices of the encoders (arXiv:2502.16982), AdamW for the rest."""

    lr: float = key(1e-3, "rate of AdamW", low=0, high=1000)
    matrix_lr: float = key(0.01, "rate of the matrices, about the relative size of one update", low=0, high=1000)
    momentum: float = key(0.95, "of the matrices", low=0, high=1)
    weight_decay: float = key(0.01, "of all, decoupled", low=0, high=1000)
    betas: tuple[float, float] = key((0.9, 0.999), "of AdamW", low=0, high=1)
    eps: float = key(1e-8, "of AdamW", low=0, high=1)
    fused: bool | None = key(None, "PyTorch's fused AdamW; by default where it is at hand")


@dataclass(frozen=True, kw_only=True)
class WarmupCosineConf(Conf):
    """Linear warm-up to the optimizer's `lr`, then a half cosine to the end of training."""

    warmup_share: float = key(0.1, "share of all steps (updates of the weights) in which the rate rises", low=0, high=1)
    warmup_steps: int | None = key(None, "the same as a number of steps, which goes before warmup_share", low=0)
    final_share: float = key(0.0, "rate at the end, as a share of the peak", low=0, high=1)
    total_steps: int | None = key(None, "steps of the whole training; counted when it is not given", low=1)


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
        """Refuse data that are no triples, no lengths, and a share that is none or all."""
        for row in self.data:
            if isinstance(row, str) or len(row) != 3 or not all(isinstance(item, str) for item in row):
                raise ConfigError(f"data: {shown(row)}: give [file, name, type], such as [text.en, src_text, text]")
        if not self.shape_files:
            raise ConfigError("shape_files is empty: name a file with the lengths of the utterances")
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


def parse_groups(groups: object) -> list[GroupSpec]:
    """All entries of `train_groups`; there may be none.

    Raises:
        ConfigError: a key is missing or unknown, or a value cannot be used.
    """
    table = read_table(groups, "train_groups", lambda name, entry, where: read(GroupSpec, entry, where, name=name))
    specs = list(table.values())
    if sum(spec.share for spec in specs) >= 1:
        raise ConfigError("train_groups: the shares leave no step for the first data set: their sum must be below 1")
    return specs
