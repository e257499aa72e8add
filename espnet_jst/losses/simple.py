"""The simple (additive) transducer loss, smoothed, and the pruning ranges that it gives (arXiv:2206.13236)."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.losses.checks import check_labels, checked, inside
from espnet_jst.losses.recursion import lattice_loss

LEAST = 1e-30  # of a sum of exponentials that is exact in float32


def simple_rnnt_loss(
    am: Tensor,
    lm: Tensor,
    targets: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    *,
    lm_scale: float = 0.0,
    am_scale: float = 0.0,
    blank: int = 0,
    k2_padding: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Transducer loss of logits(t, u, v) = am(t, v) + lm(u, v) on the full lattice, interpolated with its parts.

    The normaliser is a matrix product of exponentials (arXiv:2206.13236, sec. 3.1), so logits of shape (B, T, U + 1, V)
    are never made. The log-probabilities are (1 - lm_scale - am_scale) * joint + lm_scale * predictor alone +
    am_scale * encoder alone, the last one with the predictor's average probabilities in place of the predictor.

    Args:
        am: encoder part, (B, T, V).
        lm: predictor part, (B, U + 1, V).
        targets: label ids, (B, U), in [0, V) and never `blank`; padding may hold anything.
        logit_lengths: valid frames, (B,), 1 <= length <= T.
        target_lengths: valid labels, (B,), 0 <= length <= U.
        lm_scale, am_scale: shares, at least 0, together less than 1 for a loss that still aligns.
        blank: id of the blank symbol.
        k2_padding: average the predictor's probabilities over padding too, as k2 does, so that padding changes values.

    Returns:
        Negative log-likelihood in nats, (B,); and the probability that a path takes a label, (B, U, T + 1), and a
        blank, (B, U + 1, T), both zero outside an utterance.

    A symbol whose part is -inf is forbidden there: its probability is exactly zero.

    Raises:
        DataError: a wrong shape, length or label, or NaN in the result; the message names the utterance.
    """
    if am.dim() != 3 or lm.dim() != 3 or targets.dim() != 2 or lm.size(1) != targets.size(1) + 1:
        raise DataError(
            f"am {tuple(am.shape)}, lm {tuple(lm.shape)}, targets {tuple(targets.shape)}: must be (B, T, V), "
            "(B, U+1, V), (B, U)"
        )
    B, T, V = am.shape
    labels = check_labels(targets, logit_lengths, target_lengths, frames=T, vocab_size=V, blank=blank)
    am, lm = (x if x.dtype == torch.float64 else x.float() for x in (am, lm))
    # Padding may hold NaN; the first frame and the first position take its place.
    am = torch.where(inside(logit_lengths, T)[..., None], am, am[:, :1].detach())
    if not k2_padding:
        lm = torch.where(inside(target_lengths + 1, lm.size(1))[..., None], lm, lm[:, :1].detach())
    with torch.autocast(am.device.type, enabled=False):
        columns = _columns(am, lm, labels, target_lengths, lm_scale, am_scale, blank, k2_padding)
    first = torch.zeros(B, T, dtype=torch.int32, device=am.device)
    loss, taken_blank, taken_label = lattice_loss(*columns, first, logit_lengths, target_lengths)
    px_grad = torch.nn.functional.pad(taken_label[:, :, :-1].transpose(1, 2), (0, 1))
    return checked(loss), px_grad, taken_blank.transpose(1, 2)


def _columns(
    am: Tensor,
    lm: Tensor,
    labels: Tensor,
    target_lengths: Tensor,
    lm_scale: float,
    am_scale: float,
    blank: int,
    k2_padding: bool,
) -> tuple[Tensor, Tensor]:
    """Log-probability of the blank and of the next label at every node, (B, T, U + 1)."""
    B, T, _ = am.shape
    tiny = torch.finfo(am.dtype).tiny  # the smallest normal number: no logarithm of zero where products underflow
    norm = _joint_norm(am, lm, tiny)
    # Padded with the blank, whose values are not read: the last row has no next label.
    padded = torch.nn.functional.pad(labels, (0, 1), value=blank)
    am_label, lm_label = am.gather(2, padded[:, None].expand(B, T, -1)), lm.gather(2, padded[..., None]).transpose(1, 2)
    am_blank, lm_blank = am[..., blank, None], lm[:, None, :, blank]
    share = 1 - lm_scale - am_scale
    blanks, nexts = am_blank + lm_blank - norm, am_label + lm_label - norm
    if share != 1:
        blanks, nexts = (x * share if share else torch.zeros_like(x) for x in (blanks, nexts))  # -inf by 0 is NaN
    if lm_scale:
        lm_norm = lm.logsumexp(-1)[:, None]
        blanks, nexts = blanks + lm_scale * (lm_blank - lm_norm), nexts + lm_scale * (lm_label - lm_norm)
    if am_scale:
        probability = lm.softmax(-1)
        if k2_padding:
            unigram = probability.mean(dim=(0, 1))
        else:
            valid = inside(target_lengths + 1, lm.size(1))
            unigram = probability[valid].mean(dim=0)
        unigram = unigram + tiny
        am_max = am.detach().amax(-1, keepdim=True)
        am_norm = ((am - am_max).exp() @ unigram)[..., None].log() + am_max
        unigram = unigram.log()
        blanks = blanks + am_scale * (am_blank + unigram[blank] - am_norm)
        nexts = nexts + am_scale * (am_label + unigram[padded][:, None] - am_norm)
    return blanks, nexts


def _joint_norm(am: Tensor, lm: Tensor, tiny: float) -> Tensor:
    """Log-sum-exp of am(t, v) + lm(u, v), (B, T, U + 1); NaN where forbidden symbols leave too little to sum."""
    forbidden = [x.detach().isneginf() for x in (am, lm)]
    masked = any(bool(x.any()) for x in forbidden)
    if masked:  # what one part forbids everywhere must not be the maximum of the other: the rest would underflow
        never = (forbidden[0].all(1) | forbidden[1].all(1))[:, None]
        am, lm = (x.masked_fill(never, -torch.inf) for x in (am, lm))
    am_max, lm_max = (x.detach().amax(-1, keepdim=True) for x in (am, lm))
    if masked:
        am_max, lm_max = (torch.where(x.isneginf(), 0.0, x) for x in (am_max, lm_max))
    products = (am - am_max).exp() @ (lm - lm_max).exp().transpose(1, 2)
    norm = (products + tiny).log() + am_max + lm_max.transpose(1, 2)
    if masked:
        partly = forbidden[0].any(-1)[..., None] | forbidden[1].any(-1)[:, None]
        norm = torch.where(partly & (products.detach() < LEAST), torch.nan, norm)
    return norm


def prune_ranges(
    px_grad: Tensor, py_grad: Tensor, logit_lengths: Tensor, target_lengths: Tensor, prune_range: int
) -> Tensor:
    """The band of labels that each frame keeps, arXiv:2206.13236, sec. 3.2.

    A band of R rows lets at most R - 1 labels out in one frame. R is `prune_range`, raised where an utterance has so
    many labels for its frames that no path would fit, and at most U + 1.

    Args:
        px_grad, py_grad: occupation of labels (B, U, T + 1) and blanks (B, U + 1, T), see simple_rnnt_loss.
        logit_lengths, target_lengths: (B,).
        prune_range: rows wanted, at least 2.

    Returns:
        Number of labels written that each row of each frame stands for, (B, T, R).

    Raises:
        DataError: prune_range is less than 2.
    """
    if prune_range < 2:
        raise DataError(f"prune_range {prune_range}: a band of fewer than 2 rows lets no label out")
    _, rows, T = py_grad.shape
    needed = (target_lengths - 1).div(logit_lengths, rounding_mode="floor") + 2
    R = min(max(prune_range, int(needed.max())), rows)
    # What a band from s on keeps: blanks inside, less the labels that lead into its lowest row from below. Every window
    # is summed by itself, as k2 does: differences of a running sum decide near ties by the digits that they lose.
    kept = py_grad.contiguous().unfold(1, R, 1).transpose(2, 3).sum(dim=2)  # in k2's order, too
    kept = kept - torch.nn.functional.pad(px_grad[:, : rows - R, :T], (0, 0, 1, 0))
    first = kept.argmax(dim=1)
    frame = torch.arange(T, device=first.device)
    end = (target_lengths - R + 1).clamp(min=0)[:, None]
    first = torch.where(frame < logit_lengths[:, None] - 1, first, end)
    # Never falling, and never rising by more than R - 1: a running minimum from the end, for both.
    first = _running_minimum(first)
    ramp = (R - 1) * frame
    first = ramp - _running_minimum(ramp - first).clamp(min=0)
    return first[..., None] + torch.arange(R, device=first.device)


def _running_minimum(x: Tensor) -> Tensor:
    """Minimum over this frame and all later ones."""
    return x.flip(1).cummin(dim=1).values.flip(1)
