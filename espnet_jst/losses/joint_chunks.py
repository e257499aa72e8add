"""Output layer of the joint network, log-sum-exp and gather over chunks of nodes, in plain PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK_BYTES = 4 << 20  # of logits: a chunk's exponentials are made where the matrix product left them


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
    N = labels.numel()
    blanks, nexts, norm = (hidden.new_empty(N) for _ in range(3))
    for part, logits in _logits(hidden, weight, bias):
        blanks[part] = logits[:, blank]
        nexts[part] = logits.gather(1, labels[part, None])[:, 0]
        if factorized:
            logits[:, blank] = -torch.inf
        top = logits.amax(dim=1)
        norm[part] = logits.sub_(top[:, None]).exp_().sum(dim=1).log_().add_(top)
    return blanks, nexts, norm


def gradients(
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
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by hidden layer, weight and bias from those by what `columns` gave, (N,) each."""
    d_hidden, d_weight, d_bias = torch.empty_like(hidden), torch.zeros_like(weight), torch.zeros_like(bias)
    for part, logits in _logits(hidden, weight, bias):
        d_logits = logits.sub_(norm[part, None]).exp_().mul_(d_norm[part, None])
        if factorized:
            d_logits[:, blank] = 0.0
        d_logits[:, blank] += d_blank[part]
        d_logits.scatter_add_(1, labels[part, None], d_label[part, None])
        d_weight.addmm_(d_logits.t(), hidden[part])
        d_bias += d_logits.sum(dim=0)
        torch.mm(d_logits, weight, out=d_hidden[part])
    return d_hidden, d_weight, d_bias


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Chunks of nodes and their logits, all in the same memory."""
    N, V = hidden.size(0), weight.size(0)
    size = max(64, CHUNK_BYTES // (weight.element_size() * V))
    buffer = hidden.new_empty(min(size, N), V)
    for start in range(0, N, size):
        part = slice(start, min(start + size, N))
        yield part, torch.addmm(bias, hidden[part], weight.t(), out=buffer[: part.stop - start])
