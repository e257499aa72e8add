"""Depthwise convolution over time with the backward pass that PyTorch's CPU library lacks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv1d, conv2d, pad


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
    # oneDNN (torch 2.11 and 2.14) does not return from some of these convolutions in bfloat16: 16 features, 300 frames.
    wide = x.float() if x.dtype == torch.bfloat16 else x
    return _Depthwise.apply(wide, weight, bias).to(x.dtype)


class _Depthwise(torch.autograd.Function):
    """oneDNN's backward pass takes eight times as long as these two further convolutions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        with torch.autocast("cpu", enabled=False):
            return _convolve(x, weight.to(x.dtype), bias.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        (B, _, D), K = grad.shape, weight.size(2)
        d_x = _convolve(pad(grad, (0, 0, K - 1, K - 1)), weight.flip(2).to(grad.dtype), None)
        # For the taps, input and gradient change places: each utterance's gradient is a kernel of T taps.
        inputs, kernels = (y.transpose(1, 2).reshape(B * D, 1, -1) for y in (x, grad))
        d_weight = conv1d(inputs.transpose(0, 1), kernels, groups=B * D).view(B, D, K)
        d_weight = d_weight.sum(dim=0, dtype=weight.dtype)[:, None]
        return d_x, d_weight, grad.sum(dim=(0, 1), dtype=weight.dtype)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # (B, T, D) is the layout "channels last" of an image of one row: nothing is copied.
    y = conv2d(x.transpose(1, 2).unsqueeze(2), weight.unsqueeze(2), bias, groups=weight.size(0))
    return y.squeeze(2).transpose(1, 2)
