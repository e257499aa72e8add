"""Transducer loss on the full lattice (arXiv:1211.3711): the reference, and for small problems."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.losses.checks import check_labels, checked
from espnet_jst.losses.recursion import lattice_loss


def rnnt_loss(
    logits: Tensor,
    targets: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
) -> Tensor:
    """Transducer loss of each utterance, arXiv:1211.3711 eq. (19).

    Args:
        logits: joint network output, (B, T, U + 1, V), unnormalised.
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
    B, T, rows, V = logits.shape
    if rows != targets.size(1) + 1:
        raise DataError(f"logits have {rows} label positions for {targets.size(1)} labels; must be one more")
    labels = check_labels(targets, logit_lengths, target_lengths, frames=T, vocab_size=V, blank=blank)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    norm = logits.logsumexp(dim=-1)
    padded = torch.nn.functional.pad(labels, (0, 1), value=blank)
    label = logits.gather(3, padded[:, None, :, None].expand(B, T, rows, 1))[..., 0]
    first = torch.zeros(B, T, dtype=torch.int32, device=logits.device)
    return checked(lattice_loss(logits[..., blank] - norm, label - norm, first, logit_lengths, target_lengths)[0])
