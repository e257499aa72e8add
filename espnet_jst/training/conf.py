"""Keys of optimizers and schedules: `optim_conf` and `scheduler_conf`."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_jst.keys import Conf, key


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
