"""What is asked of a pretrained encoder."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class PretrainedEncoder(nn.Module):
    """Samples to the frames of every layer.

    Attributes:
        fs: sampling rate in Hz.
        hop_samples: samples from one frame to the next.
        size: features of a frame.
        layers: layers that it has.
    """

    fs = 16_000
    hop_samples = 320
    size: int
    layers: int

    @abstractmethod
    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """(B, N) samples in [-1, 1], zeros behind `lengths` -> (B, T, D) of layer 0, 1, ..., and frame counts.

        An utterance has the same frames in any batch.
        """


def hop_and_span(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Samples from one frame of some convolutions to the next, and those that one frame hears."""
    span = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        span = (span - 1) * stride + kernel
    return math.prod(strides), span


def made_of_zeros(make: Callable[[], Any]) -> Any:
    """A module of transformers whose weights are read afterwards.

    It is made without memory first: what its constructor makes and throws away, such as a weight that becomes two by
    weight norm, is then not counted against the weights of a model (`weights.limit_parameters`), and takes no time.
    """
    with torch.device("meta"):
        made = make()
    for module in made.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                zeros = torch.zeros(parameter.shape, dtype=parameter.dtype, device="cpu")
                module.register_parameter(name, nn.Parameter(zeros, requires_grad=parameter.requires_grad))
        for name, buffer in list(module._buffers.items()):
            if buffer is None:
                continue
            if name in module._non_persistent_buffers_set:
                raise ValueError(f"{type(module).__name__}.{name} is not among the weights that are read")
            module.register_buffer(name, torch.zeros(buffer.shape, dtype=buffer.dtype, device="cpu"))
    return made
