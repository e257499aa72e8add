"""Negative log-likelihood of a transducer's lattice from two columns: the blank and the next label of every node."""

from __future__ import annotations

import functools
import importlib
import logging
from typing import Any

import torch
import torchaudio
from torch import Tensor
from torch.autograd.function import once_differentiable


def lattice_loss(blank: Tensor, label: Tensor, logit_lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """Sum over all paths.

    On the CPU numba's recursion, where it works; otherwise torchaudio's, on the same two columns instead of on the
    vocabulary (its own normalisation is a scalar loop on the CPU).

    Args:
        blank: log-probability of the blank at every node, (B, T, U + 1).
        label: log-probability of the next label, (B, T, U).
        logit_lengths, target_lengths: (B,).

    Returns:
        Nats, (B,), in the dtype of `blank`.
    """
    if blank.size(0) == 0:
        return blank.new_zeros(0)
    label = torch.nn.functional.pad(label, (0, 1))
    if not blank.is_cuda and _numba() is not None:
        first = torch.zeros(blank.shape[:2], dtype=torch.int32)
        return _Band.apply(blank, label, first, logit_lengths, target_lengths)
    # torchaudio wants the longest utterance to fill the tensors, and int32.
    T, U = int(logit_lengths.max()), int(target_lengths.max())
    return torchaudio.functional.rnnt_loss(
        torch.stack([blank, label], dim=-1)[:, :T, : U + 1],
        torch.ones(blank.size(0), U, dtype=torch.int32, device=blank.device),
        logit_lengths.int(),
        target_lengths.int(),
        blank=0,
        reduction="none",
        fused_log_softmax=False,
    )


@functools.cache
def _numba() -> Any:
    try:
        return importlib.import_module("espnet_jst.losses.recursion_numba")
    except Exception as error:  # a broken numba fails in many ways, and training is possible without it
        logging.warning(f"numba does not work here ({error}): the transducer loss uses torchaudio's slower recursion")
        return None


class _Band(torch.autograd.Function):
    """The gradient is the occupation, known as soon as the loss is."""

    @staticmethod
    def forward(
        ctx: Any, blank: Tensor, label: Tensor, first: Tensor, logit_lengths: Tensor, target_lengths: Tensor
    ) -> Tensor:
        columns = (blank.detach().numpy(), label.detach().numpy(), first.numpy())
        lengths = (logit_lengths.int().cpu().numpy(), target_lengths.int().cpu().numpy())
        loss, *gradients = _numba().occupation(*columns, *lengths)
        ctx.save_for_backward(*(torch.from_numpy(gradient) for gradient in gradients))
        return torch.from_numpy(loss).to(blank.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        blank, label = ctx.saved_tensors
        return grad[:, None, None] * blank, grad[:, None, None] * label, None, None, None
