"""Transducer loss on the full lattice (arXiv:1211.3711): the reference, and for small problems."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.losses.checks import check_labels, checked
from espnet_jst.losses.first_order import first_order
from espnet_jst.losses.fused_joint import log_probs
from espnet_jst.losses.recursion import occupation


def rnnt_loss(
    logits: Tensor, targets: Tensor, logit_lengths: Tensor, target_lengths: Tensor, *, blank: int = 0
) -> Tensor:
    """Transducer loss of each utterance, arXiv:1211.3711 eq. (19).

    Args:
        logits: joint network output, (B, T, U + 1, V), unnormalised; -inf where a symbol is forbidden; padding may hold
            anything.
        targets: label ids, (B, U), in [0, V) and never `blank`; padding may hold anything.
        logit_lengths: valid frames, (B,), 1 <= length <= T.
        target_lengths: valid labels, (B,), 0 <= length <= U.
        blank: id of the blank symbol.

    Returns:
        Negative log-likelihood in nats, (B,).

    Raises:
        DataError: a wrong shape, length or label, or NaN in the result; the message names the utterance.
    """
    if logits.dim() != 4 or targets.dim() != 2 or logits.shape[0] != targets.shape[0]:
        raise DataError(f"logits {tuple(logits.shape)}, targets {tuple(targets.shape)}: must be (B, T, U+1, V), (B, U)")
    T, rows, V = logits.shape[1:]
    if rows != targets.size(1) + 1:
        raise DataError(f"logits have {rows} label positions for {targets.size(1)} labels; must be one more")
    labels = check_labels(targets, logit_lengths, target_lengths, frames=T, vocab_size=V, blank=blank)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return checked(_Rnnt.apply(logits, labels, logit_lengths, target_lengths, blank))


class _Rnnt(torch.autograd.Function):
    """Keeps the logits, and makes one tensor of their size more, the gradient."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, frames: Tensor, target_lengths: Tensor, blank: int) -> Tensor:
        B, T, rows, _ = logits.shape
        nexts = torch.nn.functional.pad(labels, (0, 1), value=blank)[:, None, :, None].expand(B, T, rows, 1)
        norm = logits.logsumexp(dim=-1)
        columns = log_probs(logits[..., blank], logits.gather(3, nexts)[..., 0], norm, hat=False)
        first = torch.zeros(B, T, dtype=torch.int32, device=logits.device)
        loss, d_blank, d_label = occupation(*columns, first, frames, target_lengths)
        ctx.save_for_backward(logits, nexts, norm, d_blank, d_label)
        ctx.blank = blank
        return loss.to(logits.dtype)

    @staticmethod
    @first_order
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits, nexts, norm, d_blank, d_label = ctx.saved_tensors
        d_blank, d_label = (x * grad[:, None, None] for x in (d_blank, d_label))
        taken = d_blank + d_label
        gradient = (logits - norm[..., None]).exp_().mul_(-taken[..., None])
        gradient.masked_fill_((taken == 0)[..., None], 0.0)  # padding may hold NaN
        gradient[..., ctx.blank] += d_blank
        return gradient.scatter_add_(3, nexts, d_label[..., None]), None, None, None, None
