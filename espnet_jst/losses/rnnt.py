"""Transducer loss on the full lattice (arXiv:1211.3711), checked: torchaudio returns finite nonsense for bad labels."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.losses.recursion import lattice_loss


def check_labels(
    targets: Tensor, logit_lengths: Tensor, target_lengths: Tensor, *, frames: int, vocab_size: int, blank: int
) -> None:
    """Refuse lengths and labels that a loss cannot use; costs one transfer of small integers.

    Raises:
        DataError: a length is out of range or a label is not in the vocabulary; names the utterance by its index.
    """
    if not 0 <= blank < vocab_size:
        raise DataError(f"blank={blank} is not in the vocabulary of {vocab_size}")
    B, U = targets.shape
    if logit_lengths.shape != (B,) or target_lengths.shape != (B,):
        raise DataError(
            f"lengths must have one value for each of {B} utterances, not {tuple(logit_lengths.shape)} "
            f"and {tuple(target_lengths.shape)}"
        )
    inside = torch.arange(U, device=targets.device) < target_lengths[:, None]
    wrong = inside & ((targets < 0) | (targets >= vocab_size) | (targets == blank))
    for b, (t, u, bad) in enumerate(
        torch.stack([logit_lengths.long(), target_lengths.long(), wrong.any(1).long()], dim=1).tolist()
    ):
        if not 1 <= t <= frames:
            raise DataError(f"utterance {b} of the batch: {t} frames, must be 1 to {frames}", index=b)
        if not 0 <= u <= U:
            raise DataError(f"utterance {b} of the batch: {u} labels, must be 0 to {U}", index=b)
        if bad:
            label = targets[b][wrong[b]][0].item()
            what = "is the blank" if label == blank else f"is outside the vocabulary of {vocab_size}"
            raise DataError(f"utterance {b} of the batch: label {label} {what}", index=b)


def rnnt_loss(
    logits: Tensor, targets: Tensor, logit_lengths: Tensor, target_lengths: Tensor, *, blank: int = 0
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
    check_labels(targets, logit_lengths, target_lengths, frames=T, vocab_size=V, blank=blank)
    logits = logits.float()
    labels = _labels(targets, target_lengths, blank)
    norm = logits.logsumexp(dim=-1)
    label = logits[:, :, :-1].gather(3, labels[:, None, :, None].expand(B, T, rows - 1, 1))[..., 0]
    return _checked(lattice_loss(logits[..., blank] - norm, label - norm[:, :, :-1], logit_lengths, target_lengths))


def additive_rnnt_loss(
    am: Tensor,
    lm: Tensor,
    targets: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    *,
    lm_scale: float = 0.0,
    blank: int = 0,
) -> Tensor:
    """Transducer loss of logits(t, u, v) = am(t, v) + lm(u, v), arXiv:2206.13236 eq. (4), on the full lattice.

    The normaliser is a matrix product of exponentials, so logits of shape (B, T, U + 1, V) are never made.

    Args:
        am: encoder part, (B, T, V).
        lm: predictor part, (B, U + 1, V).
        targets, logit_lengths, target_lengths, blank: as rnnt_loss.
        lm_scale: share of the predictor's own log-probabilities in the interpolation, which trains it as a language
            model beside the alignment (the paper's smoothing); 0 is the plain loss.

    Returns:
        Negative log-likelihood in nats, (B,).

    Raises:
        DataError: see rnnt_loss.
    """
    B, T, V = am.shape
    check_labels(targets, logit_lengths, target_lengths, frames=T, vocab_size=V, blank=blank)
    am, lm = am.float(), lm.float()
    am_max, lm_max = am.detach().amax(dim=-1, keepdim=True), lm.detach().amax(dim=-1, keepdim=True)
    # The smallest normal number keeps the logarithm finite where all products underflow.
    product = (am - am_max).exp() @ (lm - lm_max).exp().transpose(1, 2) + torch.finfo(torch.float32).tiny
    norm = product.log() + am_max + lm_max.transpose(1, 2)
    labels = _labels(targets, target_lengths, blank)
    label = am.gather(2, labels[:, None].expand(B, T, -1)) + lm[:, :-1].gather(2, labels[..., None]).transpose(1, 2)
    blanks = am[:, :, None, blank] + lm[:, None, :, blank] - norm
    label = label - norm[:, :, :-1]
    if lm_scale > 0:
        alone = lm.log_softmax(dim=-1)
        blanks = blanks.lerp(alone[:, None, :, blank].expand_as(blanks), lm_scale)
        label = label.lerp(alone[:, :-1].gather(2, labels[..., None]).transpose(1, 2).expand_as(label), lm_scale)
    return _checked(lattice_loss(blanks, label, logit_lengths, target_lengths))


def _labels(targets: Tensor, target_lengths: Tensor, blank: int) -> Tensor:
    inside = torch.arange(targets.size(1), device=targets.device) < target_lengths[:, None]
    return targets.masked_fill(~inside, blank).long()


def _checked(loss: Tensor) -> Tensor:
    finite = loss.detach().isfinite()
    if not bool(finite.all()):
        b = int((~finite).nonzero()[0, 0])
        raise DataError(
            f"utterance {b} of the batch: the transducer loss is {loss[b].item()}; "
            "look for NaN in its audio or a diverged model",
            index=b,
        )
    return loss
