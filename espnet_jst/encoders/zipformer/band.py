"""Attention chunk by chunk: each chunk as a row of its own, beside the keys that it hears.

Of the scores of all frames and keys most are masked where chunks are short: these are only made for what is heard.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from espnet_jst.encoders.zipformer.extent import Extent


def heard(new: Tensor, before: Tensor | None, extent: Extent) -> Tensor:
    """Keys or values of these frames (B, T, D), and of those before them -> of all that is heard, (B', S, D)."""
    if extent.band is not None:
        found: Tensor = _Windows.apply(new, extent.chunk, extent.band)
        return found
    return new if before is None else torch.cat([before.to(new.dtype), new], dim=1)


def chunked(x: Tensor, extent: Extent) -> Tensor:
    """(B, T, D) -> what attends together, (B', T', D): chunks, the last one filled up with zeros, or rows."""
    if extent.band is None:
        return x
    return pad(x, (0, 0, 0, -x.size(1) % extent.chunk)).view(-1, extent.chunk, x.size(2))


def whole(x: Tensor, extent: Extent, rows: int, frames: int) -> Tensor:
    """(B', T', D) -> (B, T, D)."""
    return x.view(rows, -1, x.size(2))[:, :frames] if extent.band is not None else x


class _Windows(torch.autograd.Function):
    """(B, T, D) -> every chunk and `left` frames before it, zeros where there are none, (B n, left + chunk, D)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chunk: int, left: int) -> Tensor:
        B, T, D = x.shape
        ctx.shape, ctx.chunk = (B, T, D), chunk
        return pad(x, (0, 0, left, -T % chunk)).unfold(1, left + chunk, chunk).mT.reshape(-1, left + chunk, D)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (B, T, D), chunk = ctx.shape, ctx.chunk
        grad = grad.view(B, -1, grad.size(1) // chunk, chunk, D)
        _, count, parts, _, _ = grad.shape
        d_x = grad.new_zeros(B, count + parts - 1, chunk, D)
        for part in range(parts):
            d_x[:, part : part + count] += grad[:, :, part]
        return d_x[:, parts - 1 :].flatten(1, 2)[:, :T], None, None
