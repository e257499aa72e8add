"""Causal, narrow convolutional subsampling: stride-2 convolutions, then frames are stacked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from espnet_jst.errors import ConfigError
from espnet_jst.streams import RowState, Waiting


@dataclass
class InputState(RowState):
    """Input frames that do not fill an output frame yet, and the last frames that each convolution saw."""

    pending: Waiting
    before: list[Tensor]


class InputStep(nn.Module, ABC):
    """Frames of the layers from input frames, whole and as they come."""

    @abstractmethod
    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> InputState:
        """State before the first frame."""

    @abstractmethod
    def step(
        self, x: Tensor, counts: Sequence[int], state: InputState, last: Sequence[bool]
    ) -> tuple[Tensor, list[int], InputState]:
        """Further frames (B, t, F), `counts` of each row -> the output frames that are complete, (B, T, size), how many
        each row has, and the state. What is left when a row ends is zero-padded to one more.
        """

    @abstractmethod
    def full(self, x: Tensor, before: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Input frames (B, t, F) that fill output frames in every row, and the last frames that each convolution saw ->
        those output frames, and the last frames now.
        """


class ConvSubsampling(InputStep):
    """(B, T, F) -> (B, ceil(T / factor), size); an output frame reads nothing later than its own input frames.

    Few channels on purpose: with 256 of them, ESPnet's default spends a third of a small Conformer's operations here.

    Args:
        input_size: features per input frame.
        size: features per output frame.
        factor: 2, which takes one convolution; 4, 8 or another multiple of 4, which take two.
        channels: channels of the first and the second convolution.
    """

    def __init__(self, *, input_size: int, size: int, factor: int = 4, channels: Sequence[int] = (16, 32)) -> None:
        super().__init__()
        if factor % 4 and factor != 2:
            raise ConfigError(f"subsampling must be 2 or a multiple of 4, not {factor}")
        channels = channels[:1] if factor == 2 else channels
        self.stacked = factor // 2 ** len(channels)
        self.factor, self.input_size = factor, input_size
        self.convs = nn.ModuleList()
        self.widths = (1, *channels)
        bins, width = input_size, 1
        for out in channels:
            self.convs.append(nn.Conv2d(width, out, kernel_size=3, stride=2, padding=(0, 1)))
            bins, width = (bins + 1) // 2, out
        self.output = nn.Linear(width * bins * self.stacked, size)
        # Without it the signal enters the residual stream ten times weaker than the layers' own biases.
        self.norm = nn.LayerNorm(size)

    def forward(self, x: Tensor) -> Tensor:
        """Whole utterances; frames after an utterance's end must be zero."""
        x = nn.functional.pad(x, (0, 0, 0, -x.size(1) % self.factor))
        y = x.unsqueeze(1)
        for conv in self.convs:
            y = conv(nn.functional.pad(y, (0, 0, 1, 0))).relu()
        return self.join(y)

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> InputState:
        """See InputStep: the convolutions see zeros to their left."""
        before, bins = [], self.input_size
        for width in self.widths[:-1]:
            before.append(torch.zeros(batch_size, width, 1, bins, device=device))
            bins = (bins + 1) // 2
        return InputState(Waiting.none(batch_size, self.input_size, device=device), before)

    def step(
        self, x: Tensor, counts: Sequence[int], state: InputState, last: Sequence[bool]
    ) -> tuple[Tensor, list[int], InputState]:
        """See InputStep."""
        waiting = state.pending.append(x, counts)
        used = [
            n + (-n % self.factor if ends else -(n % self.factor)) for n, ends in zip(waiting.counts, last, strict=True)
        ]
        pending = waiting.drop([min(n, had) for n, had in zip(used, waiting.counts, strict=True)])
        most = max(used)
        if most == 0:
            return x.new_zeros(len(used), 0, self.output.out_features), [0] * len(used), replace(state, pending=pending)
        y = nn.functional.pad(waiting.x, (0, 0, 0, max(0, most - waiting.x.size(1))))[:, :most].unsqueeze(1)
        before, level = [], list(used)
        for conv, left in zip(self.convs, state.before, strict=True):
            y = torch.cat([left, y], dim=2)
            before.append(_frames_at(y, level))
            y = conv(y).relu()
            level = [n // 2 for n in level]
        return self.join(y), [n // self.factor for n in used], InputState(pending, before)

    def full(self, x: Tensor, before: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See InputStep."""
        y, after = x.unsqueeze(1), []
        for conv, left in zip(self.convs, before, strict=True):
            y = torch.cat([left, y], dim=2)
            after.append(y[:, :, -1:])
            y = conv(y).relu()
        return self.join(y), after

    def join(self, y: Tensor) -> Tensor:
        """What the convolutions make, (B, C, T, F) -> output frames (B, T / stacked, size)."""
        B, _C, T, _F = y.shape
        y = y.transpose(1, 2).reshape(B, T // self.stacked, -1)
        return self.norm(self.output(y))


def _frames_at(y: Tensor, places: Sequence[int]) -> Tensor:
    """(B, C, T, F) -> of each row the frame at its place, (B, C, 1, F)."""
    if len(set(places)) == 1:
        return y[:, :, places[0] : places[0] + 1]
    return torch.stack([row[:, place] for row, place in zip(y, places, strict=True)]).unsqueeze(2)
