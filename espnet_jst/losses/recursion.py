"""Negative log-likelihood of a transducer's lattice, or of a band of it, from two columns: blank and next label."""

from __future__ import annotations

import functools
import importlib
import logging
import os
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from espnet_jst.errors import ConfigError

BACKENDS = ("numba", "torch")
BACKEND_VARIABLE = "JST_RNNT_BACKEND"


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


def backend(device: torch.device) -> str:
    """The recursion that is used on a device: "numba" or "torch".

    Raises:
        ConfigError: JST_RNNT_BACKEND names one that is unknown or does not work here.
    """
    asked = os.environ.get(BACKEND_VARIABLE, "")
    if asked and asked not in BACKENDS:
        raise ConfigError(f"{BACKEND_VARIABLE}={asked}: known are {', '.join(BACKENDS)}")
    if asked == "numba" and (device.type != "cpu" or _numba() is None):
        raise ConfigError(f"{BACKEND_VARIABLE}=numba does not work on {device.type} here")
    return asked or ("numba" if device.type == "cpu" and _numba() is not None else "torch")


@functools.cache
def _numba() -> Any:
    try:
        return importlib.import_module("espnet_jst.losses.recursion_numba")
    except Exception as error:  # a broken numba fails in many ways, and training is possible without it
        logging.warning(f"numba does not work here ({error}): the transducer loss uses a slower recursion")
        return None


class _Lattice(torch.autograd.Function):
    """The gradient is the occupation, known as soon as the loss is."""

    @staticmethod
    def forward(
        ctx: Any, blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        blank, label = blank.detach(), label.detach()
        if backend(blank.device) == "numba":
            arrays = [x.contiguous().numpy() for x in (blank, label, first.int(), frames.int(), labels.int())]
            loss, d_blank, d_label = (torch.from_numpy(x) for x in _numba().occupation(*arrays))
        else:
            from espnet_jst.losses.recursion_torch import occupation

            loss, d_blank, d_label = occupation(blank, label, first, frames, labels)
        ctx.save_for_backward(d_blank, d_label)
        taken = -d_blank, -d_label
        ctx.mark_non_differentiable(*taken)
        return loss.to(blank.dtype), *taken

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        d_blank, d_label = ctx.saved_tensors
        return grad[:, None, None] * d_blank, grad[:, None, None] * d_label, None, None, None
