"""Refuse what a transducer loss cannot use: torchaudio and k2 return finite nonsense for bad labels."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.errors import DataError, NonFiniteLossError


def inside(lengths: Tensor, size: int) -> Tensor:
    """Which of `size` positions lie before the end, (B, size)."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def check_labels(
    targets: Tensor, logit_lengths: Tensor, target_lengths: Tensor, *, frames: int, vocab_size: int, blank: int
) -> Tensor:
    """Refuse lengths and labels that a loss cannot use; costs one transfer of small integers.

    Returns:
        The labels with the blank as padding, (B, U), int64.

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
    valid = inside(target_lengths, U)
    wrong = valid & ((targets < 0) | (targets >= vocab_size) | (targets == blank))
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
    return targets.masked_fill(~valid, blank).long()


def checked(loss: Tensor, kind: str = "transducer") -> Tensor:
    """The loss, (B,).

    Args:
        loss: of each utterance, (B,).
        kind: name of the loss, for the message.

    Raises:
        NonFiniteLossError: it is not finite; the message names the first such utterance, `indices` has all.
    """
    finite = loss.detach().isfinite()
    if not bool(finite.all()):
        bad = (~finite).nonzero()[:, 0].tolist()
        value = loss[bad[0]].item()
        why = "look for NaN in its audio or a diverged model"
        if value == float("inf"):
            why = "no path through it has a probability; look for labels that are masked out, or outside the band"
        raise NonFiniteLossError(f"utterance {bad[0]} of the batch: the {kind} loss is {value}; {why}", indices=bad)
    return loss
