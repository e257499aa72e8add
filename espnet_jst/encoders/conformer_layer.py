"""One Conformer block (arXiv:2005.08100) with causal convolution and explicit caches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.encoders.attention import CachedAttention
from espnet_jst.encoders.depthwise import depthwise
from espnet_jst.encoders.dropout import Dropout
from espnet_jst.streams import RowState, rows_at


@dataclass
class LayerState(RowState):
    """What a layer remembers of the frames before.

    Attributes:
        keys_values: of the left context, (2, B, H, S, D / H), the newest last; a younger stream than others of its
            batch has none in the first places.
        conv: left input of the convolution, (B, K - 1, D).
    """

    keys_values: Tensor
    conv: Tensor

    def select(self, index: Tensor) -> LayerState:
        index = index.to(self.conv.device)
        return LayerState(self.keys_values[:, index], self.conv[index])

    @classmethod
    def concat(cls, states: Sequence[LayerState]) -> LayerState:
        longest = max(state.keys_values.size(3) for state in states)
        padded = [
            nn.functional.pad(state.keys_values, (0, 0, longest - state.keys_values.size(3), 0)) for state in states
        ]
        return cls(torch.cat(padded, dim=1), torch.cat([state.conv for state in states]))


class CausalConvolution(nn.Module):
    """Pointwise - GLU - causal depthwise - LayerNorm - SiLU - pointwise; no batch statistics."""

    def __init__(self, *, size: int, kernel_size: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.input = nn.Linear(size, 2 * size)
        self.depthwise = nn.Conv1d(size, size, kernel_size, groups=size)
        self.norm = nn.LayerNorm(size)
        self.output = nn.Linear(size, size)

    def forward(self, x: Tensor, left: Tensor, counts: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, T, D) and the K - 1 inputs before them -> (B, T, D) and the K - 1 inputs to remember, those before the
        end of each row (`counts`, (B,), None where all have T frames).
        """
        y = nn.functional.glu(self.input(x), dim=-1)
        y = torch.cat([left.to(y.dtype), y], dim=1)
        remembered = self.kernel_size - 1
        if counts is None:
            left = y[:, y.size(1) - remembered :]
        else:
            left = rows_at(y, counts[:, None] + torch.arange(remembered, device=y.device))
        assert self.depthwise.bias is not None  # Conv1d's type allows that
        y = depthwise(y, self.depthwise.weight, self.depthwise.bias)
        return self.output(nn.functional.silu(self.norm(y))), left


def feed_forward(size: int, hidden: int, dropout: float) -> nn.Sequential:
    """LayerNorm - linear - SiLU - linear."""
    return nn.Sequential(
        nn.LayerNorm(size), nn.Linear(size, hidden), nn.SiLU(), Dropout(dropout), nn.Linear(hidden, size)
    )


class ConformerLayer(nn.Module):
    """Half feed-forward, self-attention, convolution, half feed-forward, LayerNorm."""

    def __init__(
        self,
        *,
        size: int,
        heads: int,
        feed_forward_size: int,
        kernel_size: int,
        dropout: float,
        attention_dropout: float,
    ) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.feed_forward1 = feed_forward(size, feed_forward_size, dropout)
        self.attention_norm = nn.LayerNorm(size)
        self.attention = CachedAttention(size=size, heads=heads, dropout=attention_dropout)
        self.conv_norm = nn.LayerNorm(size)
        self.conv = CausalConvolution(size=size, kernel_size=kernel_size)
        self.feed_forward2 = feed_forward(size, feed_forward_size, dropout)
        self.norm = nn.LayerNorm(size)
        self.dropout = Dropout(dropout)

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> LayerState:
        """State before the first frame: no left context."""
        keys_values = torch.zeros(2, batch_size, self.heads, 0, self.size // self.heads, device=device)
        return LayerState(keys_values, torch.zeros(batch_size, self.conv.kernel_size - 1, self.size, device=device))

    def forward(
        self, x: Tensor, bias: Tensor | None, table: Tensor, state: LayerState, counts: Tensor | None = None
    ) -> tuple[Tensor, LayerState]:
        """(B, T, D) -> (B, T, D) and the state with all T frames among the keys; padding stands after the utterance,
        where only `bias` and `counts` (valid frames, (B,); None for T) must hide it.
        """
        x = torch.add(x, self.dropout(self.feed_forward1(x)), alpha=0.5)
        y, keys_values = self.attention(self.attention_norm(x), bias, table, state.keys_values)
        x = x + self.dropout(y)
        y, left = self.conv(self.conv_norm(x), state.conv, counts)
        x = x + self.dropout(y)
        x = torch.add(x, self.dropout(self.feed_forward2(x)), alpha=0.5)
        return self.norm(x), LayerState(keys_values, left)
