"""Causal, narrow convolutional subsampling: two stride-2 convolutions, then frames are stacked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.errors import ConfigError


@dataclass
class SubsamplingState:
    """Input frames that do not fill an output frame yet, and the last frame that each convolution saw."""

    pending: Tensor
    before: list[Tensor]


class ConvSubsampling(nn.Module):
    """(B, T, F) -> (B, ceil(T / factor), size); an output frame reads nothing later than its own input frames.

    Few channels on purpose: with 256 of them, ESPnet's default spends a third of a small Conformer's operations here.

    Args:
        input_size: features per input frame.
        size: features per output frame.
        factor: 4, 8 or another multiple of 4.
        channels: channels of the first and the second convolution.
    """

    def __init__(self, *, input_size: int, size: int, factor: int = 4, channels: tuple[int, int] = (16, 32)) -> None:
        super().__init__()
        if factor % 4:
            raise ConfigError(f"subsampling must be a multiple of 4, not {factor}")
        self.factor, self.input_size = factor, input_size
        self.convs = nn.ModuleList()
        self.widths = (1, *channels)
        bins, width = input_size, 1
        for out in channels:
            self.convs.append(nn.Conv2d(width, out, kernel_size=3, stride=2, padding=(0, 1)))
            bins, width = (bins + 1) // 2, out
        self.output = nn.Linear(width * bins * (factor // 4), size)
        # Without it the signal enters the residual stream ten times weaker than the layers' own biases.
        self.norm = nn.LayerNorm(size)

    def forward(self, x: Tensor) -> Tensor:
        """Whole utterances; frames after an utterance's end must be zero."""
        return self.step(x, self.init_state(x.size(0), x.device), last=True)[0]

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> SubsamplingState:
        """State before the first frame: the convolutions see zeros to their left."""
        before, bins = [], self.input_size
        for width in self.widths[:-1]:
            before.append(torch.zeros(batch_size, width, 1, bins, device=device))
            bins = (bins + 1) // 2
        return SubsamplingState(torch.zeros(batch_size, 0, self.input_size, device=device), before)

    def step(self, x: Tensor, state: SubsamplingState, *, last: bool = False) -> tuple[Tensor, SubsamplingState]:
        """Further frames -> the output frames that are complete; the rest is zero-padded to one when `last`."""
        x = torch.cat([state.pending, x], dim=1)
        if last:
            x = nn.functional.pad(x, (0, 0, 0, -x.size(1) % self.factor))
        whole = x.size(1) - x.size(1) % self.factor
        x, pending = x[:, :whole], x[:, whole:]
        if whole == 0:
            return x.new_zeros(x.size(0), 0, self.output.out_features), SubsamplingState(pending, state.before)
        y, before = x.unsqueeze(1), []
        for conv, left in zip(self.convs, state.before, strict=True):
            y = torch.cat([left, y], dim=2)
            before.append(y[:, :, -1:])
            y = conv(y).relu()
        B, _C, T, _F = y.shape
        y = y.transpose(1, 2).reshape(B, T * 4 // self.factor, -1)
        return self.norm(self.output(y)), SubsamplingState(pending, before)
