"""Joint network, log-sum-exp and gather in one: log-probabilities of blank and next label, never all logits at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from espnet_jst.losses import backends
from espnet_jst.losses.first_order import first_order

# Logits that are worked on at a time: what stays in a processor's cache, or what keeps a GPU busy.
PART_BYTES = {"cpu": 4 << 20, "cuda": 256 << 20}


def fused_columns(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    nodes: Tensor,
    labels: Tensor,
    *,
    blank: int = 0,
    hat: bool = False,
) -> tuple[Tensor, Tensor]:
    """Log-probability of the blank and of a label at some nodes of a lattice.

    At node n, logits = weight @ tanh(encoder[nodes[0, n]] + predictor[nodes[1, n]]) + bias. They are made in pieces,
    and again in the backward pass: memory does not grow with nodes times V.

    Args:
        encoder: projected encoder output, (N_e, J).
        predictor: projected predictor output, (N_p, J).
        weight: (V, J).
        bias: (V,).
        nodes: rows of `encoder` and of `predictor`, (2, N).
        labels: next label of each node, (N,).
        blank: id of the blank.
        hat: the blank has a probability of its own, see JointNetwork.

    Returns:
        (N,) of the blank and (N,) of the labels.
    """
    return _FusedColumns.apply(encoder, predictor, weight, bias, nodes, labels, blank, hat)


def log_probs(blanks: Tensor, nexts: Tensor, norm: Tensor, *, hat: bool) -> tuple[Tensor, Tensor]:
    """Logits of the blank and of a label, and their log-sum-exp (with `hat` of the labels alone) -> log-probabilities.

    All (N,). Where the next label is the blank (padding), the second value is not read. NaN where the logits are no
    distribution: NaN or infinity is among them, or nothing but minus infinity.
    """
    columns = (logsigmoid(blanks), logsigmoid(-blanks) + nexts - norm) if hat else (blanks - norm, nexts - norm)
    usable = norm.isfinite()
    return torch.where(usable, columns[0], torch.nan), torch.where(usable, columns[1], torch.nan)


def logit_gradients(d_blank: Tensor, d_label: Tensor, blanks: Tensor, *, hat: bool) -> tuple[Tensor, Tensor]:
    """From the gradients by what `log_probs` gave: those by the blank's logit and by the log-sum-exp, (N,) each."""
    if hat:
        return d_blank * (-blanks).sigmoid() - d_label * blanks.sigmoid(), -d_label
    return d_blank, -(d_blank + d_label)


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
        hat: bool,
    ) -> tuple[Tensor, Tensor]:
        inputs = encoder, predictor, weight, bias, nodes, labels
        columns = backends.joint(encoder.device).columns
        found = [columns(hidden, weight, bias, labels[part], blank=blank, factorized=hat)
                 for part, hidden in _parts(*inputs[:3], nodes)]  # fmt: skip
        blanks, nexts, norm = (torch.cat(pieces) for pieces in zip(*found, strict=True))
        ctx.save_for_backward(*inputs, norm, blanks)
        ctx.blank, ctx.hat = blank, hat
        return log_probs(blanks, nexts, norm, hat=hat)

    @staticmethod
    @first_order
    def backward(ctx: Any, d_blank: Tensor, d_label: Tensor) -> tuple[Tensor | None, ...]:
        encoder, predictor, weight, bias, nodes, labels, norm, blanks = ctx.saved_tensors
        d_blank, d_norm = logit_gradients(d_blank, d_label, blanks, hat=ctx.hat)
        joint = backends.joint(encoder.device)
        d_encoder, d_predictor, d_weight, d_bias = (torch.zeros_like(x) for x in (encoder, predictor, weight, bias))
        for part, hidden in _parts(encoder, predictor, weight, nodes):
            columns = (x[part] for x in (labels, norm, d_blank, d_label, d_norm))
            d_logits = joint.d_logits(hidden, weight, bias, *columns, blank=ctx.blank, factorized=ctx.hat)
            d_weight.addmm_(d_logits.t(), hidden)
            d_bias += d_logits.sum(dim=0)
            d_sum = torch.ops.aten.tanh_backward(d_logits @ weight, hidden)
            d_encoder.index_add_(0, nodes[0, part], d_sum)
            d_predictor.index_add_(0, nodes[1, part], d_sum)
        return d_encoder, d_predictor, d_weight, d_bias, None, None, None, None


def _parts(encoder: Tensor, predictor: Tensor, weight: Tensor, nodes: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Nodes that are worked on together, and the joint network's hidden layer there, (n, J)."""
    N, widest = nodes.size(1), max(weight.shape)
    size = max(64, PART_BYTES.get(weight.device.type, PART_BYTES["cpu"]) // (weight.element_size() * widest))
    for start in range(0, N, size):
        part = slice(start, min(start + size, N))
        yield part, encoder[nodes[0, part]].add_(predictor[nodes[1, part]]).tanh_()
