"""What enters an attention decoder for its labels, and what makes its logits: ESPnet's, mBART's or Whisper's."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

INIT_STD = 0.02  # of mBART's vectors, and of Whisper's
NORM_EPS = 1e-5  # of their norms; ESPnet's have 1e-12


class ESPnetLabels(nn.Sequential):
    """ESPnet's embedding and sinusoidal positions, under their names; a sequence begins with `<sos/eos>`.

    Attributes:
        starts: what begins a sequence, in places.
        most: of places; None: any number.
    """

    starts, most = 1, None

    def at(self, labels: Tensor, place: int) -> Tensor:
        """The labels (B, K) at one place of their sequences -> (B, K, D), in evaluation mode."""
        parts: Any = self  # what ESPnet puts there
        embedding, position = parts
        position.extend_pe(position.pe.new_zeros(1, place + 1))
        x: Tensor = embedding(labels) * position.xscale + position.pe[:, place].to(labels.device)
        return x


class MBartLabels(nn.Module):
    """mBART's embedding, learned positions and norm; a sequence begins with vectors of its own, such as a language.
    Whisper's labels are the same without a norm.

    Args:
        starts: how many of these.
        positions: the most places, those of the first vectors among them.
        scaled: vectors are multiplied by the square root of `size`.
        normed: whether there is a norm.
    """

    def __init__(
        self, vocab_size: int, size: int, *, starts: int, positions: int, scaled: bool, normed: bool, dropout: float
    ) -> None:
        super().__init__()
        self.starts, self.most, self.scale = starts, positions, math.sqrt(size) if scaled else 1.0
        self.embedding = nn.Embedding(vocab_size, size)
        nn.init.normal_(self.embedding.weight, std=INIT_STD)
        self.start, self.positions = (nn.Parameter(torch.randn(n, size) * INIT_STD) for n in (starts, positions))
        self.norm, self.dropout = nn.LayerNorm(size) if normed else nn.Identity(), nn.Dropout(dropout)

    def forward(self, labels: Tensor) -> Tensor:
        """(B, starts + U), the first `starts` of which stand for these vectors -> (B, starts + U, D)."""
        start = self.start.expand(len(labels), -1, -1)
        x = torch.cat([start, self.embedding(labels[:, self.starts :])], dim=1)
        placed: Tensor = self.dropout(self.norm(x * self.scale + self.positions[: x.size(1)]))
        return placed

    def at(self, labels: Tensor, place: int) -> Tensor:
        """As `ESPnetLabels.at`; what the labels are does not matter where a sequence begins."""
        begins = place < self.starts
        x = self.start[place].expand(*labels.shape, -1) if begins else self.embedding(labels)
        placed: Tensor = self.norm(x * self.scale + self.positions[place])
        return placed


class TiedOutput(nn.Module):
    """Logits by the vectors of an embedding, and a bias. The embedding stays a part of what it is a part of."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self._embedding = [embedding]
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))
        self.in_features = embedding.embedding_dim

    @property
    def weight(self) -> Tensor:
        """(V, D)."""
        return self._embedding[0].weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., V)."""
        return nn.functional.linear(x, self.weight, self.bias)
