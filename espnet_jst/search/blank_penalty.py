"""What labels gain over the blank, so that a search writes more: for every lane of a serialized stream its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor

from espnet_jst.search.clocks import Clock, ClockState, fade
from espnet_jst.search.penalty_rules import Pace, PenaltyRule
from espnet_jst.taps import Tap

Heard = tuple[ClockState | None, ...]


class Steering(NamedTuple):
    """What the penalty of a lane follows.

    Attributes:
        rule: from the pace to the penalty.
        clock: counts what is heard.
        written: instead, place of the lane whose labels are counted as they are written.
    """

    rule: PenaltyRule
    clock: Clock
    written: int | None = None


class BlankPenalty:
    """A penalty for each lane; a stream is in the lane that the last tag has opened.

    A translation is less certain than a transcript: its probability is spread over many words and frames, in each of
    which the blank may be the likeliest symbol, so that one penalty for both leaves out translations or invents
    transcripts.

    A search takes the values of its streams from its state, where they may change from step to step; these are the
    ones to begin with. Where a lane is steered, its penalty is another one in every frame and after every label: it
    depends on the frames that have been heard and on the labels so far, never on where the audio was cut.

    Args:
        values: of each lane, (L,); the first lane is the one before any tag.
        opens: for each label the lane that it opens, -1 where it is no tag, (V,); None where there are no tags.
        steering: of each lane, None where its penalty is fixed; empty where all are.
        shift_s: seconds from frame to frame of the search; only for steering.
    """

    def __init__(
        self,
        values: Sequence[float],
        opens: Sequence[int] | None = None,
        steering: Sequence[Steering | None] = (),
        shift_s: float = 0.0,
    ) -> None:
        self.values, self.opens = torch.tensor(values, dtype=torch.float32), None
        if opens is not None:
            self.opens = torch.tensor(opens)
        self.steering = tuple(steering) if any(steering) else ()
        # What a label in a lane adds to the counts of each lane: those of its own labels and those of what it follows.
        L = len(self.steering)
        self._adds, kept = torch.zeros(L, 2 * L, dtype=torch.double), torch.ones(L, dtype=torch.double)
        for place, steered in enumerate(self.steering):
            self._adds[place, place] = 1.0
            if steered is not None:
                kept[place] = fade(shift_s, steered.rule.conf.memory_s)
                if steered.written is not None:
                    self._adds[steered.written, L + place] = 1.0
        self._kept = kept

    @classmethod
    def of(cls, penalty: float | BlankPenalty, device: torch.device) -> BlankPenalty:
        """The same on a device; a number is the penalty of every lane."""
        given = penalty if isinstance(penalty, BlankPenalty) else cls([penalty])
        found = copy(given)
        found.values = given.values.to(device)
        found.opens = None if given.opens is None else given.opens.to(device)
        found._adds, found._kept = given._adds.to(device), given._kept.to(device)
        return found

    @property
    def reads(self) -> frozenset[str]:
        """Taps that clocks read."""
        return frozenset(steered.clock.reads for steered in self.steering if steered and steered.clock.reads)

    def of_streams(self, batch_size: int) -> Tensor:
        """For each of `batch_size` streams the values to begin with, (B, L)."""
        return self.values.repeat(batch_size, 1)

    def after(self, lane: Tensor, labels: Tensor) -> Tensor:
        """The lanes of streams that have written `labels`; both (...)."""
        if self.opens is None:
            return lane
        opened = self.opens[labels]
        return torch.where(opened >= 0, opened, lane)

    def init_heard(self, batch_size: int) -> Heard:
        """The states of the clocks of `batch_size` streams."""
        return tuple(s and s.clock.init_state(batch_size, self.values.device) for s in self.steering)

    def hear(self, taps: Mapping[str, Tap], reads: str, frames: Tensor, heard: Heard) -> tuple[Tensor, Heard]:
        """What the clocks say at each frame of the search, (B, T, L) (no column where nothing is steered), and states.

        Args:
            taps: further frames of all that are read.
            reads: the tap of the search.
            frames: frames of it so far, (B,).
        """
        x, lengths, _ = taps[reads]
        numbers = frames[:, None] + torch.arange(x.size(1), device=frames.device)
        if not self.steering:
            return numbers.new_zeros(*numbers.shape, 0, dtype=torch.double), heard
        counts, after = [], []
        for steered, state in zip(self.steering, heard, strict=True):
            count = torch.zeros_like(numbers, dtype=torch.double)
            if steered is not None:
                count, state = steered.clock.read(taps, numbers, lengths.cpu(), state)
            counts.append(count)
            after.append(state)
        return torch.stack(counts, dim=-1), tuple(after)

    def paces(self, *shape: int) -> Tensor:
        """Where streams or hypotheses start: for each lane the labels written, of its own and of what it follows, and
        what had been heard at the last label, all as of the frame in the last column; (*shape, 3 L + 1), or (*shape, 0)
        where nothing is steered.
        """
        L = len(self.steering)
        return torch.zeros(*shape, 3 * L + 1 if L else 0, dtype=torch.double, device=self.values.device)

    def now(self, values: Tensor, clock: Tensor, pace: Tensor, frames: Tensor) -> Tensor:
        """The penalties of all lanes, (..., L).

        Args:
            values: those to begin with, (..., L).
            clock: what the clocks say, (..., L).
            pace: (..., 3 L + 1).
            frames: numbers of the frames, (...).
        """
        if not self.steering:
            return values
        written, followed, before = self._faded(pace, frames).unflatten(-1, (3, -1)).unbind(-2)
        heard = clock + followed
        found = []
        for lane, steered in enumerate(self.steering):
            base, count = values[..., lane], heard[..., lane]
            if steered is not None:
                base = steered.rule.penalty(base, Pace(count, written[..., lane], count - before[..., lane]))
            found.append(base.expand(count.shape).float())
        return torch.stack(found, dim=-1)

    def wrote(self, pace: Tensor, lane: Tensor, labels: Tensor, clock: Tensor, frames: Tensor) -> Tensor:
        """The paces of those who were in `lane` (...) and have written `labels` (...) in `frames` (...)."""
        if not self.steering:
            return pace
        L, frames = len(self.steering), frames.expand(lane.shape)
        counts = self._faded(pace, frames)[..., : 2 * L]
        adds = self._adds[lane]
        if self.opens is not None:
            adds = adds * self.opens[labels].lt(0)[..., None]
        counts = counts + adds
        return torch.cat([counts, clock + counts[..., L:], frames[..., None].double()], dim=-1)

    def _faded(self, pace: Tensor, frames: Tensor) -> Tensor:
        """Counts and what had been heard at the last label, as they weigh in other frames, (..., 3 L)."""
        kept = self._kept ** (frames[..., None] - pace[..., -1:])
        return pace[..., :-1] * kept.repeat(*[1] * (kept.dim() - 1), 3)
