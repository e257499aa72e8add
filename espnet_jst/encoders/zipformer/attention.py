"""Attention of a Zipformer layer: weights that are computed once, and the modules that use them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from espnet_jst.encoders.precision import widened
from espnet_jst.encoders.zipformer.band import chunked, heard, whole
from espnet_jst.encoders.zipformer.extent import Extent, positions
from espnet_jst.encoders.zipformer.parts import Shaping, scaled_linear
from espnet_jst.encoders.zipformer.penalties import outside
from espnet_jst.encoders.zipformer.schedule import Ramp
from espnet_jst.encoders.zipformer.shapers import happens

LARGE = 25.0  # a score that training is to keep within


class AttentionWeights(nn.Module):
    """Scores of queries and keys and of their distance, softmax. There is no scale: initial weights are small instead.

    Args:
        size: features of a frame.
        heads: their number.
        query_size, pos_head_size: features of a query and of a query for positions, per head.
        pos_size: features of a distance.
        pos_dropout: dropout of them.
        shaping: what shapes its gradients.
    """

    def __init__(
        self,
        size: int,
        heads: int,
        *,
        query_size: int,
        pos_head_size: int,
        pos_size: int,
        pos_dropout: float,
        shaping: Shaping,
    ) -> None:
        super().__init__()
        self.heads, self.query_size, self.pos_head_size, self.pos_size = heads, query_size, pos_head_size, pos_size
        self.project = scaled_linear(size, heads * (2 * query_size + pos_head_size), query_size**-0.25)
        self.pos = scaled_linear(pos_size, heads * pos_head_size, 0.05, bias=False)
        self.pos_dropout = nn.Dropout(pos_dropout)
        self.key_balancer = shaping.balancer(min_positive=0.4, max_positive=0.6, min_abs=0.0, max_abs=100.0, prob=0.025)
        self.key_whiten = shaping.whiten(3.0, groups=heads, grad_scale=0.025)
        self.shaped = shaping.balancers

    def forward(self, x: Tensor, extent: Extent, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, D), and the keys of the left context -> weights (B', H, T', S), and the keys of these frames."""
        (B, T, _), H, E = x.shape, self.heads, self.query_size
        q, new, p = self.project(x).split([H * E, H * E, H * self.pos_head_size], dim=-1)
        new = self.key_whiten(self.key_balancer(new))
        k, q, p = heard(new, before, extent), chunked(q, extent), chunked(p, extent)
        weight = 1.0e-4 / B  # losses are means over utterances
        (B, T, _), S = q.shape, k.size(1)
        # Quantized, a linear layer has no weight whose type could be asked for.
        table = positions(S, T, self.pos_size, x.device, torch.promote_types(x.dtype, torch.float32))
        table = self.pos(self.pos_dropout(table).to(x.dtype))
        q, k = q.view(B, T, H, E).transpose(1, 2), k.view(B, S, H, E).transpose(1, 2)
        p, table = p.view(B, T, H, -1).transpose(1, 2), table.view(-1, H, self.pos_head_size).transpose(0, 1)
        if self.training and torch.is_grad_enabled():
            weight = weight if self.shaped and happens(0.1) else 0.0
            return _Weights.apply(q, k, p, table, extent.bias, weight), new
        scores = q @ k.mT + _shifted(p @ table.mT, S)
        return (scores if extent.bias is None else scores + extent.bias).softmax(dim=-1), new


def _shifted(x: Tensor, keys: int) -> Tensor:
    """Scores of distances (B, H, T, S + T - 1), see `positions` -> those of every frame and key, (B, H, T, S)."""
    T, N = x.shape[2:]
    if T == 1:
        return x
    # The row of a frame begins one number before that of the frame before: rows of N - 1 are right, from the first on.
    return x.flatten(2)[..., T - 1 : T * N - 1].unflatten(2, (-1, N - 1))[..., :keys]


class _Weights(torch.autograd.Function):
    """softmax(q k' + shifted p table' + bias) in float32; of what has this size, only the result is kept.

    Where `weight` is not zero, it is the gradient of a penalty of the scores beyond LARGE, which are then made again.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, p: Tensor, table: Tensor, bias: Tensor | None, weight: float) -> Tensor:
        with torch.autocast(q.device.type, enabled=False):
            scores = _scores(q, k, p, table)
            weights = (scores if bias is None else scores.add_(bias)).softmax(dim=-1).to(q.dtype)
        ctx.save_for_backward(q, k, p, table, weights)
        ctx.weight = weight
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None, None]:
        q, k, p, table, weights = ctx.saved_tensors
        with torch.autocast(q.device.type, enabled=False):
            scores = torch.ops.aten._softmax_backward_data(grad, weights, -1, weights.dtype)
            if ctx.weight:
                scores += ctx.weight * outside(_scores(q, k, p, table), -LARGE, LARGE).to(scores.dtype)
            by_distance = scores.new_zeros(*scores.shape[:3], table.size(1))
            _shifted(by_distance, k.size(2)).copy_(scores)
            of_table = (by_distance.mT @ p).sum(dim=0)
            return scores @ k, scores.mT @ q, by_distance @ table, of_table, None, None


def _scores(q: Tensor, k: Tensor, p: Tensor, table: Tensor) -> Tensor:
    """Of queries (B, H, T, E), keys (B, H, S, E) and queries for positions, by the features of distances."""
    return widened(q @ k.mT).add_(_shifted(p @ table.mT, k.size(2)))


class SelfAttention(nn.Module):
    """Values weighted by the layer's attention weights."""

    def __init__(self, size: int, heads: int, value_size: int, *, shaping: Shaping) -> None:
        super().__init__()
        self.heads = heads
        self.value = nn.Linear(size, heads * value_size)
        self.output = scaled_linear(heads * value_size, size, 0.05)
        self.whiten = shaping.whiten(7.5, 3.0)

    def forward(self, x: Tensor, weights: Tensor, extent: Extent, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """(B, T, D), weights (B', H, T', S), values of the left context -> (B, T, D), and these frames' values."""
        new = self.value(x)
        v = heard(new, before, extent)
        v = v.view(*v.shape[:2], self.heads, -1).transpose(1, 2)
        y = (weights.to(v.dtype) @ v).transpose(1, 2).flatten(2)
        return self.whiten(self.output(whole(y, extent, x.size(0), x.size(1)))), new


class NonlinearAttention(nn.Module):
    """A product of three projections, one of them weighted by the first head's attention."""

    def __init__(self, size: int, *, shaping: Shaping) -> None:
        super().__init__()
        self.hidden = 3 * size // 4
        self.project = nn.Linear(size, 3 * self.hidden)
        self.output = scaled_linear(self.hidden, size, 0.05)
        self.balancer = shaping.balancer(
            min_positive=Ramp((0.0, 0.25), (20000.0, 0.05)),
            max_positive=Ramp((0.0, 0.75), (20000.0, 0.95)),
            min_abs=0.5,
            max_abs=5.0,
        )
        self.hidden_whiten = shaping.whiten(5.0)
        self.whiten = shaping.whiten(5.0, 3.0)

    def forward(self, x: Tensor, weights: Tensor, extent: Extent, before: Tensor | None) -> tuple[Tensor, Tensor]:
        """As SelfAttention's."""
        s, v, y = self.project(x).split(self.hidden, dim=-1)
        new = self.hidden_whiten(v) * self.balancer(s).tanh()
        v = heard(new, before, extent)
        found = whole(weights[:, 0].to(v.dtype) @ v, extent, x.size(0), x.size(1))
        return self.whiten(self.output(found * y)), new
