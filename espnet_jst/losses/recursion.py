"""Negative log-likelihood of a transducer's lattice, or of a band of it, from two columns: blank and next label."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from espnet_jst.losses import backends
from espnet_jst.losses.first_order import first_order


def lattice_loss(
    blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor, *, fast_emit: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum over all paths through a band.

    Row r of frame t stands for first[t] + r labels written; the full lattice is a band with first = 0 and U + 1 rows.

    Args:
        blank: log-probability of the blank, (B, T, R).
        label: log-probability of the next label, (B, T, R); not read where there is none, or none inside the band.
        first: (B, T), 0 at frame 0, never falling.
        frames, labels: lengths, (B,).
        fast_emit: factor on the gradient of labels, less one.

    Returns:
        Nats, (B,), infinite where no path fits into the band, in the dtype of `blank`; and the occupation of blanks and
        labels, (B, T, R): the probability that a path takes them, which is not differentiable.
    """
    return _Lattice.apply(blank, label, first, frames, labels, fast_emit)


def occupation(
    blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of each utterance and its gradients by `blank` and `label`; see `lattice_loss`, and recursion_numba.

    A log-probability of minus infinity becomes an impossible one that is finite: where two infinities meet, NaN would
    come out. Every path through it is lost all the same, and its gradient is zero.
    """
    columns = (x.detach().clamp(min=backends.IMPOSSIBLE) for x in (blank, label))
    loss, *taken = backends.recursion(blank.device).occupation(*columns, first, frames, labels)
    return loss, taken[0].to(blank.dtype), taken[1].to(label.dtype)


class _Lattice(torch.autograd.Function):
    """The gradient is the occupation, known as soon as the loss is."""

    @staticmethod
    def forward(
        ctx: Any, blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor, fast_emit: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        loss, d_blank, d_label = occupation(blank, label, first, frames, labels)
        ctx.save_for_backward(d_blank, d_label, blank, label)
        ctx.fast_emit = fast_emit
        taken = -d_blank, -d_label
        ctx.mark_non_differentiable(*taken)
        return loss.to(blank.dtype), *taken

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        d_blank, d_label, *_ = ctx.saved_tensors
        scale = grad[:, None, None]
        return scale * d_blank, (1 + ctx.fast_emit) * scale * d_label, None, None, None, None
