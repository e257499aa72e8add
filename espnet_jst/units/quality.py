"""How good units are: how many are used, how evenly, and what they know of phones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Agreement(NamedTuple):
    """What units and phones say of each other (arXiv:2106.07447).

    Attributes:
        pnmi: the share of what there is to know of a frame's phone that its unit tells, I(unit; phone) / H(phone).
        phone_purity: share of the frames that have the most frequent phone of their unit.
        cluster_purity: share of the frames that have the most frequent unit of their phone.
    """

    pnmi: float
    phone_purity: float
    cluster_purity: float


def phone_agreement(counts: Mapping[tuple[int, str], int]) -> Agreement:
    """How well units and phones agree.

    Args:
        counts: frames of each pair of a unit and a phone; at least one frame.
    """
    kinds, first = np.unique([unit for unit, _ in counts], return_inverse=True)
    names, second = np.unique([phone for _, phone in counts], return_inverse=True)
    joint = np.zeros((len(kinds), len(names)))
    joint[first, second] = list(counts.values())
    joint /= joint.sum()
    of_unit, of_phone = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
    some = joint > 0
    information = float((joint[some] * np.log((joint / (of_unit * of_phone))[some])).sum())
    entropy = -float((of_phone[of_phone > 0] * np.log(of_phone[of_phone > 0])).sum())
    purities = float(joint.max(1).sum()), float(joint.max(0).sum())
    return Agreement(information / entropy if entropy > 0 else 0.0, *purities)
