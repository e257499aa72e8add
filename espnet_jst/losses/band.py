"""Transducer loss on a band whose gradients are made as soon as an utterance's logits are there: none are made twice.

The paths of one utterance need nothing of the others. So for a few utterances at a time: logits, recursion, gradients,
and the memory is free for the next ones. What the caller does with each utterance's loss is not known yet; a common
factor is put in by the backward pass, and different factors cost one more product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from espnet_jst.losses.first_order import first_order
from espnet_jst.losses.fused_joint import log_probs, logit_gradients
from espnet_jst.losses.recursion import occupation

GROUP_BYTES = 4 << 20  # of logits that are worked on at a time, where utterances are short
MOST_BYTES = 128 << 20  # of one utterance's logits


@dataclass(frozen=True)
class Band:
    """The nodes of a batch that lie in the band and inside their utterances.

    Attributes:
        first: labels written at the lowest row of every frame, (B, T).
        rows: rows of the band, R.
        frames, labels: lengths, (B,).
        places: place of each node in (B, T, R), flattened, (N,), ascending.
        encoder_rows, predictor_rows: the node's row among all frames and among all label positions, (N,).
        following: next label of each node, (N,).
        counts: nodes of each utterance.
    """

    first: Tensor
    rows: int
    frames: Tensor
    labels: Tensor
    places: Tensor
    encoder_rows: Tensor
    predictor_rows: Tensor
    following: Tensor
    counts: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, T, R)."""
        return (*self.first.shape, self.rows)  # type: ignore[return-value]

    def groups(self, node_bytes: int) -> Iterator[tuple[slice, slice]]:
        """Utterances that are worked on together, and their nodes."""
        begin = nodes = start = 0
        for b, count in enumerate(self.counts):
            if b > begin and (nodes + count) * node_bytes > GROUP_BYTES:
                yield slice(begin, b), slice(start, start + nodes)
                begin, start, nodes = b, start + nodes, 0
            nodes += count
        yield slice(begin, len(self.counts)), slice(start, start + nodes)


@dataclass(frozen=True)
class Rules:
    """How logits become log-probabilities: see pruned_rnnt_loss."""

    blank: int = 0
    hat: bool = False
    delay_penalty: float = 0.0
    fast_emit: float = 0.0

    def delays(self, frames: Tensor, T: int) -> Tensor:
        """What the delay penalty adds to the labels of each frame, (B, T)."""
        return self.delay_penalty * ((frames[:, None] - 1) / 2 - torch.arange(T, device=frames.device))


def band_loss(
    encoder: Tensor,
    predictor: Tensor,
    weight: Tensor,
    bias: Tensor,
    band: Band,
    rules: Rules,
    products: torch.dtype | None = None,
) -> Tensor | None:
    """Loss of each utterance, (B,), or None where one utterance has too many logits to be held.

    Args:
        encoder: projected encoder output of all frames, (B * T, J).
        predictor: projected predictor output of all label positions, (B * (U + 1), J).
        weight, bias: output layer of the joint network, (V, J) and (V,).
        band: the nodes.
        rules: from logits to log-probabilities.
        products: dtype of the three products of the output layer, that of the weight by default.
    """
    if max(band.counts) * weight.size(0) * weight.element_size() > MOST_BYTES:
        return None
    return _BandLoss.apply(encoder, predictor, weight, bias, band, rules, products or weight.dtype)


class _BandLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        encoder: Tensor,
        predictor: Tensor,
        weight: Tensor,
        bias: Tensor,
        band: Band,
        rules: Rules,
        products: torch.dtype,
    ) -> Tensor:
        inputs = encoder, predictor, weight.to(products), bias
        loss = encoder.new_empty(band.shape[0])
        if not any(ctx.needs_input_grad):
            for utterances, part, _, logits in _groups(*inputs, band):
                loss[utterances] = _normalised(logits, utterances, part, band, rules)[0]
            return loss
        d_encoder, d_predictor, d_weight, d_bias = (torch.zeros_like(x) for x in (encoder, predictor, weight, bias))
        for utterances, part, hidden, logits in _groups(*inputs, band):
            loss[utterances], d_logits = _normalised(logits, utterances, part, band, rules, gradient=True)
            d_bias += d_logits.sum(dim=0)
            d_logits = d_logits.to(products)
            d_weight += d_logits.t() @ hidden
            d_sum = torch.ops.aten.tanh_backward(d_logits @ inputs[2], hidden).to(encoder.dtype)
            d_encoder.index_add_(0, band.encoder_rows[part], d_sum)
            d_predictor.index_add_(0, band.predictor_rows[part], d_sum)
        ctx.save_for_backward(encoder, predictor, weight, bias, d_encoder, d_predictor, d_weight, d_bias)
        ctx.band, ctx.rules, ctx.products = band, rules, products
        return loss

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        encoder, predictor, weight, bias, d_encoder, d_predictor, d_weight, d_bias = ctx.saved_tensors
        band = ctx.band
        B = len(grad)
        if bool((grad == grad[0]).all()):
            d_weight, d_bias = d_weight * grad[0], d_bias * grad[0]
        else:
            d_weight, d_bias = torch.zeros_like(d_weight), torch.zeros_like(d_bias)
            for utterances, part, hidden, logits in _groups(encoder, predictor, weight.to(ctx.products), bias, band):
                _, d_logits = _normalised(logits, utterances, part, band, ctx.rules, gradient=True)
                d_logits.mul_(grad[band.places[part] // (band.shape[1] * band.rows)][:, None])
                d_weight += d_logits.to(hidden.dtype).t() @ hidden
                d_bias += d_logits.sum(dim=0)
        scaled = ((x.view(B, -1, x.size(1)) * grad[:, None, None]).flatten(0, 1) for x in (d_encoder, d_predictor))
        return *scaled, d_weight, d_bias, None, None, None


def _groups(
    encoder: Tensor, predictor: Tensor, weight: Tensor, bias: Tensor, band: Band
) -> Iterator[tuple[slice, slice, Tensor, Tensor]]:
    """Utterances, their nodes, the hidden layer (n, J) and the logits (n, V) of these; all use the same memory.

    The hidden layer is in the dtype of `weight`, which is that of the product; the logits in that of `encoder`.
    """
    V, J = weight.shape
    groups = list(band.groups(V * encoder.element_size()))
    most = max(part.stop - part.start for _, part in groups)
    hidden_memory, logits_memory = encoder.new_empty(most, J), encoder.new_empty(most, V)
    for utterances, part in groups:
        hidden, logits = (memory[: part.stop - part.start] for memory in (hidden_memory, logits_memory))
        torch.index_select(encoder, 0, band.encoder_rows[part], out=hidden)
        hidden.add_(predictor.index_select(0, band.predictor_rows[part])).tanh_()
        if weight.dtype == encoder.dtype:
            torch.addmm(bias, hidden, weight.t(), out=logits)
        else:
            hidden = hidden.to(weight.dtype)
            torch.add(bias, hidden @ weight.t(), out=logits)
        yield utterances, part, hidden, logits


def _normalised(
    logits: Tensor, utterances: slice, part: slice, band: Band, rules: Rules, *, gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """Loss of some utterances, and the gradient by their logits, in the same memory."""
    following = band.following[part, None]
    blanks, nexts = logits[:, rules.blank].clone(), logits.gather(1, following)[:, 0]
    if rules.hat:
        logits[:, rules.blank] = -torch.inf
    top = logits.amax(dim=1, keepdim=True)
    total = logits.sub_(top).exp_().sum(dim=1, keepdim=True)
    norm = (total.log() + top)[:, 0]
    logp = log_probs(blanks, nexts, norm, hat=rules.hat)
    _, T, R = band.shape
    B = utterances.stop - utterances.start
    places = band.places[part] - utterances.start * T * R
    columns = [logits.new_zeros(B * T * R).index_copy_(0, places, x).view(B, T, R) for x in logp]
    frames, labels = band.frames[utterances], band.labels[utterances]
    if rules.delay_penalty:
        columns[1] += rules.delays(frames, T)[..., None]
    loss, *taken = occupation(columns[0], columns[1], band.first[utterances], frames, labels)
    if not gradient:
        return loss.to(logits.dtype), logits
    d_blank, d_label = (x.flatten()[places] for x in taken)
    d_label = d_label * (1 + rules.fast_emit)
    d_blank, d_norm = logit_gradients(d_blank, d_label, blanks, hat=rules.hat)
    logits.mul_((d_norm / total[:, 0])[:, None])
    logits[:, rules.blank] += d_blank
    logits.scatter_add_(1, following, d_label[:, None])
    return loss.to(logits.dtype), logits
