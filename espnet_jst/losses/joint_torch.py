"""Output layer of the joint network, log-sum-exp and gather at some nodes, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor


def columns(
    hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, *, blank: int, factorized: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Logit of the blank and of a label at every node, and the log-sum-exp of all logits.

    Args:
        hidden: hidden layer of the joint network, (N, J).
        weight: (V, J).
        bias: (V,).
        labels: one label a node, (N,).
        blank: id of the blank.
        factorized: leave the blank out of the sum.

    Returns:
        Three times (N,).
    """
    logits = torch.addmm(bias, hidden, weight.t())
    blanks, nexts = logits[:, blank].clone(), logits.gather(1, labels[:, None])[:, 0]
    if factorized:
        logits[:, blank] = -torch.inf
    top = logits.amax(dim=1)
    return blanks, nexts, logits.sub_(top[:, None]).exp_().sum(dim=1).log_().add_(top)


def d_logits(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    norm: Tensor,
    d_blank: Tensor,
    d_label: Tensor,
    d_norm: Tensor,
    *,
    blank: int,
    factorized: bool,
) -> Tensor:
    """Gradient by the logits, (N, V), from those by what `columns` gave, (N,) each; the logits are made again."""
    gradient = torch.addmm(bias, hidden, weight.t()).sub_(norm[:, None]).exp_().mul_(d_norm[:, None])
    if factorized:
        gradient[:, blank] = 0.0
    gradient[:, blank] += d_blank
    return gradient.scatter_add_(1, labels[:, None], d_label[:, None])
