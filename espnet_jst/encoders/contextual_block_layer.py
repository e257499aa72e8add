"""A layer of the contextual block Conformer, with the names of ESPnet's parameters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

EPSILON = 1e-12  # of ESPnet's layer norms


class Attention(nn.Module):
    """Scaled dot-product attention of sequences to themselves."""

    def __init__(self, heads: int, size: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(size, size) for _ in range(4))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(N, P, D), and which position of a column each row may attend to, (N or 1, P, P); a row may see none."""
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.linear_q, self.linear_k, self.linear_v)
        )
        scores = q @ k.transpose(2, 3) / math.sqrt(q.size(3))
        hidden = ~seen[:, None]
        weights = scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(dim=-1).masked_fill(hidden, 0.0)
        out: Tensor = self.linear_out((self.dropout(weights) @ v).transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """Two linear layers."""

    def __init__(self, size: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.w_1, self.w_2, self.dropout = nn.Linear(size, hidden), nn.Linear(hidden, size), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, P, D) -> the same shape."""
        out: Tensor = self.w_2(self.dropout(self.w_1(x).relu()))
        return out


class ValidBatchNorm(nn.BatchNorm1d):
    """Batch norm over channels whose statistics are those of valid positions."""

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:  # type: ignore[override]
        """(N, P, C) and (N, P)."""
        if not self.training:
            return nn.functional.batch_norm(x.transpose(1, 2), *self._known(), eps=self.eps).transpose(1, 2)
        out = torch.zeros_like(x)
        out[valid] = super().forward(x[valid]).to(out.dtype)
        return out

    def _known(self) -> tuple[Tensor | None, Tensor | None, Tensor, Tensor]:
        return self.running_mean, self.running_var, self.weight, self.bias


class Convolution(nn.Module):
    """Gate, depthwise convolution over all positions, batch norm, swish."""

    def __init__(self, size: int, kernel_size: int) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(size, 2 * size, 1)
        self.depthwise_conv = nn.Conv1d(size, size, kernel_size, padding=kernel_size // 2, groups=size)
        self.norm, self.pointwise_conv2 = ValidBatchNorm(size), nn.Conv1d(size, size, 1)

    def forward(self, x: Tensor, valid: Tensor, counted: Tensor) -> Tensor:
        """(N, P, D), the positions that the convolution hears and those that the norm counts, (N, P)."""
        x = nn.functional.glu(nn.functional.linear(x, self.pointwise_conv1.weight[..., 0], self.pointwise_conv1.bias))
        x = self.depthwise_conv(x.masked_fill(~valid[..., None], 0.0).transpose(1, 2)).transpose(1, 2)
        x = nn.functional.silu(self.norm(x, counted))
        return nn.functional.linear(x, self.pointwise_conv2.weight[..., 0], self.pointwise_conv2.bias)


class ContextualBlockLayer(nn.Module):
    """Feed-forward if `macaron`, attention, convolution, feed-forward, each after a norm; and one at the end."""

    def __init__(
        self,
        *,
        size: int,
        heads: int,
        feed_forward_size: int,
        kernel_size: int,
        macaron: bool,
        dropout: float,
        attention_dropout: float,
    ) -> None:
        super().__init__()
        self.self_attn = Attention(heads, size, attention_dropout)
        self.feed_forward = FeedForward(size, feed_forward_size, dropout)
        self.feed_forward_macaron = FeedForward(size, feed_forward_size, dropout) if macaron else None
        self.conv_module = Convolution(size, kernel_size)
        self.norm1, self.norm2, self.norm_conv, self.norm_final = (nn.LayerNorm(size, eps=EPSILON) for _ in range(4))
        self.norm_ff_macaron = nn.LayerNorm(size, eps=EPSILON) if macaron else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Tensor, valid: Tensor, counted: Tensor) -> Tensor:
        """Sequences (N, P, D) -> the same shape.

        Args:
            x: the sequences.
            seen: as `Attention` has it.
            valid, counted: as `Convolution` has them.
        """
        share = 1.0
        if self.feed_forward_macaron is not None and self.norm_ff_macaron is not None:
            share = 0.5
            x = x + share * self.dropout(self.feed_forward_macaron(self.norm_ff_macaron(x)))
        x = x + self.dropout(self.self_attn(self.norm1(x), seen))
        x = x + self.dropout(self.conv_module(self.norm_conv(x), valid, counted))
        x = x + share * self.dropout(self.feed_forward(self.norm2(x)))
        out: Tensor = self.norm_final(x)
        return out
