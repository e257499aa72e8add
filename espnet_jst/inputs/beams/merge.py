"""One stream of features from those of several beams."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Merge(nn.Module):
    """The mean of the beams, and what a small network adds to it: frame by frame, so that it never looks ahead.

    It begins as the mean alone. So the statistics that normalize the features, which are collected before a training,
    are those of the model that begins; and whatever the beams are, there are features from the first step on.

    Args:
        beams: how many there are; which of them is where it finds out by their order.
        channels: of its two convolutions over mel bands.
        kernel: mel bands that each of them reads.
    """

    def __init__(self, beams: int, *, channels: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(beams, channels, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.last = nn.Conv1d(channels, 1, 1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, K, M) log-mel energies of every beam -> (B, T, M)."""
        B, T, K, M = x.shape
        # It sees how beams and bands differ, and not how loud the recording is.
        y = (x - x.mean((2, 3), keepdim=True)).reshape(B * T, K, M)
        for layer in (self.first, self.second):
            y = nn.functional.silu(layer(y))
        added: Tensor = self.last(y).view(B, T, M)
        return torch.add(x.mean(2), added)
