"""Negative log-likelihood of a transducer's lattice, or of a band of it, from two columns: blank and next label."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from espnet_jst.losses import backends


def lattice_loss(
    blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over all paths through a band.

    Row r of frame t stands for first[t] + r labels written; the full lattice is a band with first = 0 and U + 1 rows.

    Args:
        blank: log-probability of the blank, (B, T, R).
        label: log-probability of the next label, (B, T, R); not read where there is none, or none inside the band.
        first: (B, T), 0 at frame 0, never falling.
        frames, labels: lengths, (B,).

    Returns:
        Nats, (B,), infinite where no path fits into the band, in the dtype of `blank`; and the occupation of blanks and
        labels, (B, T, R): the probability that a path takes them, which is not differentiable.
    """
    return _Lattice.apply(blank, label, first, frames, labels)


class _Lattice(torch.autograd.Function):
    """The gradient is the occupation, known as soon as the loss is."""

    @staticmethod
    def forward(
        ctx: Any, blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        columns = blank.detach(), label.detach()
        loss, d_blank, d_label = backends.recursion(blank.device).occupation(*columns, first, frames, labels)
        ctx.save_for_backward(d_blank, d_label)
        taken = -d_blank, -d_label
        ctx.mark_non_differentiable(*taken)
        return loss.to(blank.dtype), *taken

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        d_blank, d_label = ctx.saved_tensors
        return grad[:, None, None] * d_blank, grad[:, None, None] * d_label, None, None, None
