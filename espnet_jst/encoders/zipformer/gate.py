"""The gate of the Zipformer's convolution module."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def gated(x: Tensor, gate: Tensor, valid: Tensor | None) -> Tensor:
    """x * sigmoid(gate) * valid, which keeps its three arguments alone.

    Args:
        x: (B, T, D).
        gate: (B, T, D).
        valid: (B, T, 1), of any type; None for ones.
    """
    found: Tensor = _Gated.apply(x, gate, None if valid is None else valid.to(x.dtype))
    return found


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor, valid: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, gate, valid)
        y = gate.sigmoid().mul_(x)
        return y if valid is None else y.mul_(valid)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, gate, valid = ctx.saved_tensors
        share = gate.sigmoid()
        d_x = grad * share
        d_x = d_x if valid is None else d_x.mul_(valid)
        return d_x, share.neg_().add_(1.0).mul_(d_x).mul_(x), None
