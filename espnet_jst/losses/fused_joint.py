"""Joint network, log-sum-exp and gather in one: log-probabilities of blank and next label, never all logits at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid

from espnet_jst.losses import backends


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
        hat: the blank has a probability of its own, sigmoid of its logit, and the labels share what is left
            (arXiv:2003.07705, eq. 6-7).

    Returns:
        (N,) of the blank and (N,) of the labels.
    """
    return _FusedColumns.apply(encoder, predictor, weight, bias, nodes, labels, blank, hat)


def log_probs(blanks: Tensor, nexts: Tensor, norm: Tensor, *, hat: bool) -> tuple[Tensor, Tensor]:
    """Logits of the blank and of a label, and their log-sum-exp (with `hat` of the labels alone) -> log-probabilities.

    All (N,). Where the next label is the blank (padding), the second value is not read.
    """
    if hat:
        return logsigmoid(blanks), logsigmoid(-blanks) + nexts - norm
    return blanks - norm, nexts - norm


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
        hidden = encoder[nodes[0]].add_(predictor[nodes[1]]).tanh_()  # kept: R times the encoder output, not V
        columns = backends.joint(hidden.device).columns
        blanks, nexts, norm = columns(hidden, weight, bias, labels, blank=blank, factorized=hat)
        ctx.save_for_backward(hidden, weight, bias, nodes, labels, norm, blanks)
        ctx.rows, ctx.blank, ctx.hat = (encoder.size(0), predictor.size(0)), blank, hat
        return log_probs(blanks, nexts, norm, hat=hat)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_blank: Tensor, d_label: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, nodes, labels, norm, blanks = ctx.saved_tensors
        d_blank, d_norm = logit_gradients(d_blank, d_label, blanks, hat=ctx.hat)
        gradients = backends.joint(hidden.device).gradients
        d_hidden, d_weight, d_bias = gradients(
            hidden, weight, bias, labels, norm, d_blank, d_label, d_norm, blank=ctx.blank, factorized=ctx.hat
        )
        d_sum = torch.ops.aten.tanh_backward(d_hidden, hidden)
        d_encoder, d_predictor = (hidden.new_zeros(rows, hidden.size(1)) for rows in ctx.rows)
        d_encoder.index_add_(0, nodes[0], d_sum)
        d_predictor.index_add_(0, nodes[1], d_sum)
        return d_encoder, d_predictor, d_weight, d_bias, None, None, None, None
