"""Depthwise convolution over time with the backward pass that PyTorch's CPU library lacks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv1d, conv2d, pad

from espnet_jst.encoders.precision import widened


def depthwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolution of each feature with its own taps, without padding.

    Args:
        x: (B, T + K - 1, D).
        weight: (D, 1, K), as that of `nn.Conv1d(D, D, K, groups=D)`.
        bias: (D,).

    Returns:
        (B, T, D) in the dtype of `x`.
    """
    if x.device.type != "cpu":
        return conv1d(x.transpose(1, 2), weight, bias, groups=weight.size(0)).transpose(1, 2)
    if not torch.is_grad_enabled():
        return _forward(x, weight, bias)
    found: Tensor = _Depthwise.apply(x, weight, bias)
    return found


def _forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    with torch.autocast("cpu", enabled=False):
        # oneDNN (torch 2.11 and 2.14) does not return from some of these in bfloat16: 16 features, 300 frames.
        wide = widened(x)
        return _convolve(wide, weight.to(wide.dtype), bias.to(wide.dtype)).to(x.dtype)


class _Depthwise(torch.autograd.Function):
    """oneDNN's backward pass takes many times as long as its forward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _forward(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        side = weight.size(2) - 1
        wide = widened(grad)
        d_x = _convolve(pad(wide, (0, 0, side, side)), weight.flip(2).to(wide.dtype), None).to(x.dtype)
        with torch.autocast("cpu", enabled=False):
            d_weight = _of_taps(x, grad, weight.size(2), weight.dtype)
        return d_x, d_weight, grad.sum(dim=(0, 1), dtype=weight.dtype)


def _of_taps(x: Tensor, grad: Tensor, taps: int, dtype: torch.dtype) -> Tensor:
    """Sums of x[t + k] grad[t] over t for all taps k, (D, 1, K).

    As matrix products of blocks of frames, of which all but K diagonals are thrown away: an eighth of the time of a
    convolution whose kernel is the gradient.
    """
    B, T, D = grad.shape
    block = min(T, max(16, taps + 1))
    more, width = -T % block, block + taps - 1
    # Time last, each by one transposition of a matrix, which is several times as fast as a permutation.
    of_grad = pad(grad, (0, 0, 0, more)).flatten(0, 1).t().contiguous().view(D, -1, block)
    of_x = pad(x, (0, 0, 0, more)).flatten(0, 1).t().contiguous().view(D, B, -1)
    windows = of_x.unfold(2, width, block).reshape(D, -1, width)
    products = of_grad.mT @ windows
    diagonals = products.as_strided((D, block, taps), (block * width, width + 1, 1))
    return diagonals.sum(dim=1, dtype=dtype)[:, None]


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # (B, T, D) is the layout "channels last" of an image of one row: nothing is copied.
    y = conv2d(x.transpose(1, 2).unsqueeze(2), weight.unsqueeze(2), bias, groups=weight.size(0))
    return y.squeeze(2).transpose(1, 2)
