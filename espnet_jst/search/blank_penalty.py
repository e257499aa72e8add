"""What labels gain over the blank, so that a search writes more: for every lane of a serialized stream its own."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch
from torch import Tensor


class BlankPenalty:
    """A penalty for each lane; a stream is in the lane that the last tag has opened.

    A translation is less certain than a transcript: its probability is spread over many words and frames, in each of
    which the blank may be the likeliest symbol, so that one penalty for both leaves out translations or invents
    transcripts.

    A search takes the values of its streams from its state, where they may change from step to step; these are the
    ones to begin with.

    Args:
        values: of each lane, (L,); the first lane is the one before any tag.
        opens: for each label the lane that it opens, -1 where it is no tag, (V,); None where there are no tags.
    """

    def __init__(self, values: Sequence[float], opens: Sequence[int] | None = None) -> None:
        self.values, self.opens = torch.tensor(values, dtype=torch.float32), None
        if opens is not None:
            self.opens = torch.tensor(opens)

    @classmethod
    def of(cls, penalty: float | BlankPenalty, device: torch.device) -> BlankPenalty:
        """The same on a device; a number is the penalty of every lane."""
        given = penalty if isinstance(penalty, BlankPenalty) else cls([penalty])
        found = copy(given)
        found.values = given.values.to(device)
        found.opens = None if given.opens is None else given.opens.to(device)
        return found

    def of_streams(self, batch_size: int) -> Tensor:
        """For each of `batch_size` streams the values to begin with, (B, L)."""
        return self.values.repeat(batch_size, 1)

    def after(self, lane: Tensor, labels: Tensor) -> Tensor:
        """The lanes of streams that have written `labels`; both (...)."""
        if self.opens is None:
            return lane
        opened = self.opens[labels]
        return torch.where(opened >= 0, opened, lane)
