"""Joint network, log-sum-exp and gather in one: log-probabilities of blank and next label, never all logits at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_BYTES = 4 << 20  # of logits: a chunk's exponentials are made where the matrix product left them


def fused_columns(
    encoder: Tensor, predictor: Tensor, weight: Tensor, bias: Tensor, nodes: Tensor, labels: Tensor, *, blank: int = 0
) -> tuple[Tensor, Tensor]:
    """Log-probability of the blank and of a label at some nodes of a lattice.

    At node n, logits = weight @ tanh(encoder[nodes[0, n]] + predictor[nodes[1, n]]) + bias. They are made in chunks of
    nodes, and again in the backward pass: memory does not grow with nodes times V.

    Args:
        encoder: projected encoder output, (N_e, J).
        predictor: projected predictor output, (N_p, J).
        weight: (V, J).
        bias: (V,).
        nodes: rows of `encoder` and of `predictor`, (2, N).
        labels: next label of each node, (N,).
        blank: id of the blank.

    Returns:
        (N,) of the blank and (N,) of the labels.
    """
    return _FusedColumns.apply(encoder, predictor, weight, bias, nodes, labels, blank)


class _FusedColumns(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        encoder: Tensor,
        predictor: Tensor,
        weight: Tensor,
        bias: Tensor,
        nodes: Tensor,
        labels: Tensor,
        blank: int,
    ) -> tuple[Tensor, Tensor]:
        N = labels.numel()
        norm, blanks, nexts = (encoder.new_empty(N) for _ in range(3))
        hidden = encoder[nodes[0]].add_(predictor[nodes[1]]).tanh_()  # kept: R times the encoder output, not V
        for part in _chunks(N, weight):
            logits = torch.addmm(bias, hidden[part], weight.t())
            blanks[part] = logits[:, blank]
            nexts[part] = logits.gather(1, labels[part, None])[:, 0]
            top = logits.amax(dim=1)
            norm[part] = logits.sub_(top[:, None]).exp_().sum(dim=1).log_().add_(top)
        ctx.save_for_backward(hidden, weight, bias, nodes, labels, norm)
        ctx.rows = encoder.size(0), predictor.size(0)
        ctx.blank = blank
        return blanks - norm, nexts - norm

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_blank: Tensor, d_label: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, nodes, labels, norm = ctx.saved_tensors
        d_encoder, d_predictor = (hidden.new_zeros(rows, hidden.size(1)) for rows in ctx.rows)
        d_weight, d_bias = torch.zeros_like(weight), torch.zeros_like(bias)
        d_norm = -(d_blank + d_label)
        for part in _chunks(labels.numel(), weight):
            logits = torch.addmm(bias, hidden[part], weight.t())
            d_logits = logits.sub_(norm[part, None]).exp_().mul_(d_norm[part, None])
            d_logits[:, ctx.blank] += d_blank[part]
            d_logits.scatter_add_(1, labels[part, None], d_label[part, None])
            d_weight.addmm_(d_logits.t(), hidden[part])
            d_bias += d_logits.sum(dim=0)
            d_sum = torch.ops.aten.tanh_backward(d_logits @ weight, hidden[part])
            d_encoder.index_add_(0, nodes[0, part], d_sum)
            d_predictor.index_add_(0, nodes[1, part], d_sum)
        return d_encoder, d_predictor, d_weight, d_bias, None, None, None


def _chunks(count: int, weight: Tensor) -> list[slice]:
    size = max(64, CHUNK_BYTES // (weight.element_size() * weight.size(0)))
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
