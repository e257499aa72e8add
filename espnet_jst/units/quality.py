"""How good units are: how many are used, how evenly, and what they know of phones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Usage(NamedTuple):
    """How units are used.

    Attributes:
        used: units that occur.
        perplexity: of their distribution: as many as if all were used alike.
        frames: number of frames.
        kept: share of the frames that are left without repeats.
    """

    used: int
    perplexity: float
    frames: int
    kept: float


def usage(sequences: Sequence[Sequence[int]], clusters: int) -> Usage:
    """Use of the units in utterances."""
    counts, kept = np.zeros(clusters, dtype=np.int64), 0
    for units in sequences:
        ids = np.asarray(units, dtype=np.int64)
        counts += np.bincount(ids, minlength=clusters)
        kept += int((np.diff(ids) != 0).sum()) + bool(len(ids))
    total = int(counts.sum())
    shares = counts[counts > 0] / max(1, total)
    entropy = -float((shares * np.log(shares)).sum())
    return Usage(int((counts > 0).sum()), float(np.exp(entropy)) if total else 0.0, total, kept / max(1, total))


def phone_information(units: Sequence[int], phones: Sequence[object]) -> float:
    """PNMI: the share of what there is to know of a frame's phone that its unit tells, I(unit; phone) / H(phone).

    Source: arXiv:2106.07447.

    Args:
        units, phones: one entry a frame.
    """
    if len(units) != len(phones):
        raise ValueError(f"{len(units)} units and {len(phones)} phones: one of each a frame")
    kinds, first = np.unique(np.asarray(units), return_inverse=True)
    names, second = np.unique([str(phone) for phone in phones], return_inverse=True)
    joint = np.zeros((len(kinds), len(names)))
    np.add.at(joint, (first, second), 1)
    joint /= joint.sum()
    of_unit, of_phone = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    some = joint > 0
    information = float((joint[some] * np.log((joint / (of_unit * of_phone))[some])).sum())
    entropy = -float((of_phone[of_phone > 0] * np.log(of_phone[of_phone > 0])).sum())
    return information / entropy if entropy > 0 else 0.0
