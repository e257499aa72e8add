"""What a penalty follows, counted frame by frame: labels that a CTC head hears, or seconds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_jst.heads.ctc import CTCHead
from espnet_jst.streams import RowState, Waiting, rows_at
from espnet_jst.taps import Tap

BLOCK = 64  # frames whose sums are one product of matrices


def fade(shift_s: float, memory_s: float | None) -> float:
    """What is left after a frame of something that fades."""
    return math.exp(-shift_s / memory_s) if memory_s else 1.0


class Clock(ABC):
    """Counts from frame to frame, the past fading.

    Attributes:
        reads: the tap that it reads beside that of the search; empty: none.
    """

    reads = ""

    def init_state(self, batch_size: int, device: torch.device) -> ClockState | None:
        """State before the first frame; None where frames alone say it all."""
        return None

    @abstractmethod
    def read(
        self, taps: Mapping[str, Tap], frames: Tensor, lengths: Tensor, state: ClockState | None
    ) -> tuple[Tensor, ClockState | None]:
        """The count at each frame of the search, (B, T) in double precision, and the state.

        Args:
            taps: further frames of the tap that it reads.
            frames: numbers of the search's frames in their streams, (B, T), where the tap is.
            lengths: how many of them are valid, (B,), on the CPU.
        """


class Seconds(Clock):
    """Seconds that have been heard."""

    def __init__(self, shift_s: float, memory_s: float | None) -> None:
        self.shift_s, self.kept = shift_s, fade(shift_s, memory_s)

    def read(
        self, taps: Mapping[str, Tap], frames: Tensor, lengths: Tensor, state: ClockState | None
    ) -> tuple[Tensor, ClockState | None]:
        count = frames.double() + 1
        if self.kept < 1.0:
            count = (1 - self.kept**count) / (1 - self.kept)
        return self.shift_s * count, state


class Silent(Clock):
    """Nothing: what is followed is written, not heard."""

    def read(
        self, taps: Mapping[str, Tap], frames: Tensor, lengths: Tensor, state: ClockState | None
    ) -> tuple[Tensor, ClockState | None]:
        return torch.zeros_like(frames, dtype=torch.double), state


@dataclass
class ClockState(RowState):
    """State of a CTC clock.

    Attributes:
        posteriors: of the labels in the last frame of the head, zero for the blank, (B, V).
        counts: the counts after so many frames of the head as the search may still ask for, (B, n, 1).
        passed: how many came before them, (B,), on the CPU.
        frames: frames of the search so far, (B,), on the CPU.
    """

    posteriors: Tensor
    counts: Waiting
    passed: Tensor
    frames: Tensor


class CTCLabels(Clock):
    """Labels that a CTC head hears.

    A CTC path writes a label in a frame if it holds the label there and not in the frame before. Frames are independent
    given the audio, so the expected number of labels is the sum over frames and labels of p_t(v) (1 - p_{t-1}(v)).

    The head may have frames of another rate than the search: a frame of the search knows those that have ended with it.

    Args:
        head: the head.
        reads: its tap, of the same encoder as the search or of one below.
        shift_s: seconds from frame to frame of the tap.
        search_shift_s: the same of the search.
        memory_s: time in which a label fades; None: never.
    """

    def __init__(
        self, head: CTCHead, *, reads: str, shift_s: float, search_shift_s: float, memory_s: float | None
    ) -> None:
        self.head, self.reads = head, reads
        self.rate, self.kept = search_shift_s / shift_s, fade(shift_s, memory_s)

    def init_state(self, batch_size: int, device: torch.device) -> ClockState:
        nothing = torch.zeros(batch_size, dtype=torch.long)
        start = Waiting(torch.zeros(batch_size, 1, 1, dtype=torch.double, device=device), [1] * batch_size)
        return ClockState(torch.zeros(batch_size, self.head.vocab_size, device=device), start, nothing, nothing)

    def read(
        self, taps: Mapping[str, Tap], frames: Tensor, lengths: Tensor, state: ClockState | None
    ) -> tuple[Tensor, ClockState | None]:
        assert state is not None
        state = self._hear(taps[self.reads], state)
        own = (state.frames[:, None] + torch.arange(1, frames.size(1) + 1)).double()
        last = torch.tensor(state.counts.counts)[:, None] - 1
        index = (own * self.rate + 1e-6).floor().long() - state.passed[:, None]  # 1e-6: 0.04 / 0.02 may be 1.99...
        index = index.clamp(min=0).minimum(last)
        found = rows_at(state.counts.x[..., 0], index.to(frames.device))
        heard = state.frames + lengths
        done = ((heard.double() * self.rate + 1e-6).floor().long() - state.passed).minimum(last[:, 0]).clamp(min=0)
        return found, ClockState(state.posteriors, state.counts.drop(done.tolist()), state.passed + done, heard)

    def _hear(self, tap: Tap, state: ClockState) -> ClockState:
        lengths, T = tap.lengths.cpu(), tap.x.size(1)
        if not T:
            return state
        posteriors = self.head.log_probs(tap.x).exp()
        posteriors[..., self.head.blank] = 0.0
        with_last = torch.cat([state.posteriors[:, None], posteriors], dim=1)
        onsets = (posteriors * (1 - with_last[:, :-1])).sum(dim=-1).double()
        rows = torch.arange(len(onsets), device=onsets.device)
        newest = state.counts.x[rows, torch.tensor(state.counts.counts, device=onsets.device) - 1, 0]
        counts = state.counts.append(faded_sums(onsets, newest, self.kept)[..., None], lengths.tolist())
        return ClockState(with_last[rows, lengths.to(rows.device)], counts, state.passed, state.frames)


def faded_sums(x: Tensor, start: Tensor, kept: float) -> Tensor:
    """y_t = kept y_{t-1} + x_t from y = `start` (B,), for all t of (B, T)."""
    powers = kept ** torch.arange(BLOCK + 1, dtype=x.dtype, device=x.device)
    place = torch.arange(BLOCK, device=x.device)
    weights = powers[(place[None] - place[:, None]).clamp(min=0)].triu()
    sums = []
    for block in x.split(BLOCK, dim=1):
        n = block.size(1)
        sums.append(block @ weights[:n, :n] + start[:, None] * powers[1 : n + 1])
        start = sums[-1][:, -1]
    return torch.cat(sums, dim=1)
