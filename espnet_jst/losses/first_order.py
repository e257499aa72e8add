"""Gradients that have no derivative of their own, and say so."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, ...]


def first_order(backward: Callable[..., Gradients]) -> Callable[..., Gradients]:
    """Decorator of the backward pass of a loss: whoever differentiates its gradients is told that it cannot be done.

    PyTorch's `once_differentiable` looks at the incoming gradients alone. After `loss.sum()` these are constants, so
    that a gradient penalty would lack its second derivatives without a word. What the forward pass saves must hold the
    inputs that the gradients depend on.

    Raises:
        RuntimeError: from the backward pass of a gradient that was made with `create_graph=True`.
    """

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Tensor) -> Gradients:
        with torch.no_grad(), torch.autocast(grads[0].device.type, enabled=False):
            found = backward(ctx, *grads)
        if not torch.is_grad_enabled():
            return found
        sources = [x for x in (*ctx.saved_tensors, *grads) if x is not None and x.requires_grad]
        return tuple(None if x is None else _Final.apply(x, *sources) for x in found)

    return wrapped


class _Final(torch.autograd.Function):
    """A gradient, as something that depends on the inputs in a way that is not known."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *sources: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Gradients:
        raise RuntimeError(
            "a transducer loss has no second derivatives: leave it out of gradient penalties and of create_graph=True"
        )
