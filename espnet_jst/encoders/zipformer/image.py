"""Depthwise convolution over time and frequency with a backward pass that suits a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d, pad

from espnet_jst.encoders.precision import widened


def depthwise_image(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Convolution of each channel with its own square of taps, padded with zeros in frequency only.

    Args:
        x: (B, T + K - 1, F, C).
        weight: (C, 1, K, K), as that of `nn.Conv2d(C, C, K, groups=C)`.
        bias: (C,).

    Returns:
        (B, T, F, C) in the dtype of `x`.
    """
    if x.device.type != "cpu":
        return _convolve(x, weight, bias, 0)
    found: Tensor = _Depthwise.apply(widened(x), weight, bias)
    return found.to(x.dtype)


class _Depthwise(torch.autograd.Function):
    """oneDNN's backward pass takes seven times as long as its forward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        with torch.autocast("cpu", enabled=False):
            return _convolve(x, weight.to(x.dtype), bias.to(x.dtype), 0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        (B, T, F, C), K = grad.shape, weight.size(2)
        d_x = _convolve(grad, weight.flip(2, 3).to(grad.dtype), None, K - 1)
        # For the taps, input and gradient change places: each channel's gradient is a kernel of T x F taps.
        inputs = pad(x.permute(0, 3, 1, 2).contiguous(), (K // 2, K // 2)).view(1, B * C, T + K - 1, F + K - 1)
        kernels = grad.permute(0, 3, 1, 2).reshape(B * C, 1, T, F)
        d_weight = conv2d(inputs, kernels, groups=B * C).view(B, C, K, K)
        d_weight = d_weight.sum(dim=0, dtype=weight.dtype)[:, None]
        return d_x, d_weight, grad.sum(dim=(0, 1, 2), dtype=weight.dtype)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, frames: int) -> Tensor:
    # (B, T, F, C) is the layout "channels last": nothing is copied.
    y = conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=(frames, weight.size(2) // 2), groups=weight.size(0))
    return y.permute(0, 2, 3, 1)
