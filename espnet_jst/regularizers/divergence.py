"""How far the posteriors of two CTC heads, or of one on two views, are from each other."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.interface import Head
from espnet_jst.losses.backends import IMPOSSIBLE


def symmetric_divergence(a: Tensor, b: Tensor, lengths: Tensor) -> Tensor:
    """Half of KL(b || a) + KL(a || b), where the first one of each stands still, summed over valid frames.

    Args:
        a, b: log-probabilities, (B, T, V), as `log_softmax` makes them.
        lengths: valid frames, (B,).

    Returns:
        Nats of each utterance, (B,).
    """
    a, b = a.clamp(min=IMPOSSIBLE), b.clamp(min=IMPOSSIBLE)  # minus infinity less itself would be NaN
    # Both directions at once are a half of (p_b - p_a) (log p_b - log p_a). With the first factor standing still, the
    # gradient for the logits is that of two teachers, a half of p_a - p_b: what differs falls out in the softmax.
    return _summed(0.5 * ((b.exp() - a.exp()).detach() * (b - a)).sum(dim=-1), lengths)


def taught_divergence(student: Tensor, teacher: Tensor, lengths: Tensor) -> Tensor:
    """KL(teacher || student), from which the teacher learns nothing; arguments and result as `symmetric_divergence`."""
    teacher = teacher.detach().clamp(min=IMPOSSIBLE)
    return _summed((teacher.exp() * (teacher - student.clamp(min=IMPOSSIBLE))).sum(dim=-1), lengths)


def _summed(frames: Tensor, lengths: Tensor) -> Tensor:
    return (frames * (torch.arange(frames.size(1), device=frames.device) < lengths[:, None])).sum(dim=1)


def check_posteriors(key: str, name: str, head: Head) -> None:
    """Refuse a head without posteriors of frames.

    Raises:
        ConfigError: names the key and the head.
    """
    if not isinstance(head, CTCHead):
        raise ConfigError(f"{key}: {name!r} is no CTC head, and only those have posteriors of frames")
