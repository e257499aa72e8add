"""Multi-head self-attention with rotary positions and a key/value cache, through SDPA."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from espnet_jst.encoders.dropout import Dropout


def rotary_table(frames: int, size: int, device: torch.device | str = "cpu") -> Tensor:
    """cos and sin of rotary positions (arXiv:2104.09864, eq. 34), (2, frames, size / 2), computed in float64."""
    frequency = 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.arange(frames, dtype=torch.float64)[:, None] * frequency
    return torch.stack([angle.cos(), angle.sin()]).float().to(device)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Rotate (..., T, size) by the positions of `table`, (2, T, size / 2)."""
    rotated: Tensor = _Rotation.apply(x, table.to(x.dtype))
    return rotated


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
        self, x: Tensor, bias: Tensor | None, table: Tensor | None, cache: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T, D) new frames -> (B, T, D) and the keys and values seen, (2, B, H, S, D / H), S = cached + T.

        Args:
            x: new frames.
            bias: added to the scores, 0 or -inf, broadcastable to (B, H, T, S), or None.
            table: rotary table of at least S positions; None where frames have their positions in them.
            cache: keys (not rotated) and values of the left context.
        """
        B, T, D = x.shape
        qkv = self.qkv(x).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind()
        kv = qkv[1:]
        if cache is not None and cache.size(3):
            kv = torch.cat([cache.to(kv.dtype), kv], dim=3)
            k, v = kv.unbind()
        S = k.size(2)
        if table is not None:
            q, k = rotate(q, table[:, S - T : S]), rotate(k, table[:, :S])
        if q.dtype == torch.bfloat16 and q.device.type == "cpu" and torch.is_grad_enabled():
            y = self._products(q, k, v, bias)
        else:
            dropout = self.dropout.p if self.training else 0.0
            bias = None if bias is None else bias.to(q.dtype)
            y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=dropout)
        return self.output(y.transpose(1, 2).reshape(B, T, D)), kv

    def _products(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        """Attention as two products: in bfloat16 the fused one's backward pass takes ten times as long on a CPU."""
        attended: Tensor = self.dropout(_Weights.apply(q, k, bias)) @ v
        return attended


class _Rotation(torch.autograd.Function):
    """The gradient is rotated back: nothing but the table is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor) -> Tensor:
        ctx.save_for_backward(table)
        (cos, sin), rotated = table, torch.empty(x.shape, dtype=x.dtype, device=x.device)
        (a, b), (first, second) = x.chunk(2, dim=-1), rotated.chunk(2, dim=-1)
        torch.mul(a, cos, out=first).addcmul_(b, sin, value=-1)
        torch.mul(b, cos, out=second).addcmul_(a, sin)
        return rotated

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        cos, sin = ctx.saved_tensors[0]
        return _Rotation.apply(grad, torch.stack([cos, -sin])), None


class _Weights(torch.autograd.Function):
    """softmax(q k' / sqrt(D) + bias), (B, H, T, S), in float32; of what has that size, only the result is kept."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, bias: Tensor | None) -> Tensor:
        ctx.scale = q.size(-1) ** -0.5
        q = q * ctx.scale
        with torch.autocast(q.device.type, enabled=False):
            scores = (q @ k.mT).float()
            # Filling by a mask takes several times as long as a sum.
            weights = (scores if bias is None else scores.add_(bias)).softmax(dim=-1).to(q.dtype)
        ctx.save_for_backward(q, k, weights)
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        q, k, weights = ctx.saved_tensors
        scores = torch.ops.aten._softmax_backward_data(grad, weights, -1, weights.dtype)
        return (scores @ k).mul_(ctx.scale), scores.mT @ q, None
