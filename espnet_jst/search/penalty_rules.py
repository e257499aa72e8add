"""How a blank penalty follows what has been heard and written (the wishes that arXiv:2506.02157 leaves open)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from espnet_jst.keys import takes
from espnet_jst.search.conf import BoundLengthConf, FollowLengthConf, GrowWithBlanksConf, PenaltyConf


class Pace(NamedTuple):
    """Where streams are, the past fading; tensors of one shape.

    Attributes:
        heard: length of what is followed.
        written: labels written in the lane.
        since: what has been heard since the last label.
    """

    heard: Tensor
    written: Tensor
    since: Tensor


C = TypeVar("C", bound=PenaltyConf)


class PenaltyRule(ABC, Generic[C]):
    """The penalty of a lane from the pace of its streams."""

    conf: C

    def penalty(self, base: Tensor, pace: Pace) -> Tensor:
        """What labels gain over the blank.

        Args:
            base: the value to begin with.
            pace: of the same shape, or one that goes with it.
        """
        return self._wanted(base, pace).clamp(self.conf.min, self.conf.max)

    @abstractmethod
    def _wanted(self, base: Tensor, pace: Pace) -> Tensor:
        """The penalty before it is bounded."""


class FollowLength(PenaltyRule[FollowLengthConf]):
    """Labels that are missing raise the penalty, those that are too many lower it."""

    @takes(FollowLengthConf)
    def __init__(self, *, conf: FollowLengthConf) -> None:
        self.conf = conf

    def _wanted(self, base: Tensor, pace: Pace) -> Tensor:
        return base + self.conf.slope * (self.conf.ratio * pace.heard - pace.written)


class GrowWithBlanks(PenaltyRule[GrowWithBlanksConf]):
    """The penalty grows with the speech that goes by while nothing is written; a label resets it."""

    @takes(GrowWithBlanksConf)
    def __init__(self, *, conf: GrowWithBlanksConf) -> None:
        self.conf = conf

    def _wanted(self, base: Tensor, pace: Pace) -> Tensor:
        return base + self.conf.slope * pace.since


class BoundLength(PenaltyRule[BoundLengthConf]):
    """A fixed penalty that falls to its least value where more has been written than there should be."""

    @takes(BoundLengthConf)
    def __init__(self, *, conf: BoundLengthConf) -> None:
        self.conf = conf

    def _wanted(self, base: Tensor, pace: Pace) -> Tensor:
        return torch.where(pace.written < self.conf.ratio * pace.heard, base, self.conf.min)
