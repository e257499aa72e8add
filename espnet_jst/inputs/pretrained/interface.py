"""What is asked of a pretrained encoder."""

from __future__ import annotations

from abc import abstractmethod

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
