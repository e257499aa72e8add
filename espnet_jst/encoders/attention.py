"""Multi-head self-attention with rotary positions and a key/value cache, through SDPA."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espnet_jst.encoders.dropout import Dropout


def rotary_table(frames: int, size: int, device: torch.device | str = "cpu") -> Tensor:
    """cos and sin of rotary positions (arXiv:2104.09864, eq. 34), (2, frames, size / 2), computed in float64."""
    frequency = 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.arange(frames, dtype=torch.float64)[:, None] * frequency
    return torch.stack([angle.cos(), angle.sin()]).float().to(device)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Rotate (..., T, size) by the positions of `table`, (2, T, size / 2)."""
    cos, sin = table
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class CachedAttention(nn.Module):
    """Self-attention over the cached left context and the new frames.

    Positions are relative to the first cached key: the score of two frames depends on their distance alone, so the
    cache keeps keys before rotation and a stream may go on for ever.
    """

    def __init__(self, *, size: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, Dropout(dropout)
        self.qkv = nn.Linear(size, 3 * size)
        self.output = nn.Linear(size, size)

    def forward(
        self, x: Tensor, mask: Tensor | None, table: Tensor, cache: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T, D) new frames -> (B, T, D) and the keys and values seen, (2, B, H, S, D / H), S = cached + T.

        Args:
            x: new frames.
            mask: True where attention is allowed, broadcastable to (B, H, T, S), or None.
            table: rotary table of at least S positions.
            cache: keys (not rotated) and values of the left context.
        """
        B, T, D = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        q, kv = qkv[0], qkv[1:]
        if cache is not None:
            kv = torch.cat([cache, kv], dim=3)
        S = kv.size(3)
        q, k = rotate(q, table[:, S - T : S]), rotate(kv[0], table[:, :S])
        if x.device.type == "cpu" and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu"):
            y = self._products(q, k, kv[1], mask)
        else:
            dropout = self.dropout.p if self.training else 0.0
            y = nn.functional.scaled_dot_product_attention(q, k, kv[1], attn_mask=mask, dropout_p=dropout)
        return self.output(y.transpose(1, 2).reshape(B, T, D)), kv

    def _products(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Attention as two products: in bfloat16 the fused one's backward pass takes ten times as long on a CPU."""
        scores = (q * q.size(-1) ** -0.5) @ k.transpose(2, 3)
        weights = (scores.float() if mask is None else scores.float().masked_fill(~mask, -torch.inf)).softmax(dim=-1)
        return self.dropout(weights.to(v.dtype)) @ v
