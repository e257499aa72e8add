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
class ScaledAdamConf(Conf):
    """Updates in proportion to the size of each tensor, which is learnt as well (arXiv:2310.11230); clips by itself."""

    lr: float = key(0.045, "about the relative size of an update; with a scheduler, its peak", low=0, high=1000)
    betas: tuple[float, float] = key((0.9, 0.98), "of the momentum, and of the squared gradient", low=0, high=0.99999)
    eps: float = key(1e-8, "gradients far below it are not scaled up", low=1e-30, high=1)
    clipping_scale: float = key(2.0, "largest norm of a gradient, as a multiple of the median", low=1e-3, high=1e6)
    clipping_update_period: int = key(
        100, "updates of which it is the median, and after which it is new", low=1, high=10000
    )
    scalar_lr_scale: float = key(0.1, "rate of sizes and of single numbers, as a share of lr", low=0, high=1000)
    param_min_rms: float = key(1e-5, "root mean square below which a tensor counts as one of this size", low=1e-30)
    param_max_rms: float = key(3.0, "largest root mean square that a tensor's learnt size takes it to", low=1e-30)
    scalar_max: float = key(10.0, "largest absolute value of a single number", low=0)
    size_update_period: int = key(4, "updates from one change of the sizes to the next", low=1, high=1000)

    def check(self) -> None:
        """Refuse sizes of which the smallest is the largest."""
        if self.param_min_rms >= self.param_max_rms:
            raise ConfigError(
                f"param_min_rms is {self.param_min_rms:g}: it must be below param_max_rms, {self.param_max_rms:g}"
            )


@dataclass(frozen=True, kw_only=True)
class EdenConf(Conf):
    """The optimizer's `lr`, falling slowly with updates and epochs, however long the training is (arXiv:2310.11230)."""

    lr_batches: float = key(5000.0, "updates of the weights after which the rate begins to fall", low=1)
    lr_epochs: float = key(6.0, "epochs after which it does; a fifth to a third of all is usual", low=1e-3)
    warmup_steps: int = key(500, "updates in which the rate rises linearly", low=0)
    warmup_start: float = key(0.5, "share of the rate that it rises from", low=0, high=1)


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
