"""Greedy transducer search over a batch of streams, several symbols a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from espnet_jst.heads.predictor import PredictorState
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.search.blank_penalty import BlankPenalty

LOOKAHEAD = 8  # frames; twice or half as many cost more or no less (benchmarks/search.py)


class Emission(NamedTuple):
    """A label, the encoder frame in which it was written, and its log-probability."""

    token: int
    frame: int
    logp: float


@dataclass
class GreedyState:
    """Predictor output projected for the joint network, (B, J), predictor state, frames seen (B,), lane (B,)."""

    projected: Tensor
    predictor: PredictorState
    frames: Tensor
    lane: Tensor

    def select(self, index: Tensor) -> GreedyState:
        """The streams `index`, in that order."""
        return GreedyState(self.projected[index], self.predictor.select(index), self.frames[index], self.lane[index])

    @staticmethod
    def concat(states: Sequence[GreedyState]) -> GreedyState:
        """Streams of several batches in one."""
        predictor = PredictorState.concat([state.predictor for state in states])
        names = ("projected", "frames", "lane")
        projected, frames, lane = (torch.cat([getattr(state, name) for state in states]) for name in names)
        return GreedyState(projected, predictor, frames, lane)


class GreedySearch:
    """At each frame, write the best symbol until it is the blank.

    The streams of a batch are independent and may have begun at different times. Each looks a few frames ahead and goes
    from label to label: most frames write nothing, and all streams that write share one step of the predictor. On a GPU
    the same in fixed shapes, see LabelLooping.

    Args:
        head: the transducer.
        blank_penalty: subtracted from the blank's logit before the best symbol is chosen.
        max_symbols: most symbols in one frame; a block's whole translation is a burst, so at least 20.
    """

    def __init__(
        self, head: TransducerHead, *, blank_penalty: float | BlankPenalty = 0.0, max_symbols: int = 20
    ) -> None:
        from espnet_jst.search.label_looping import LabelLooping

        self.head, self.max_symbols = head, max_symbols
        self.blank_penalty = BlankPenalty.of(blank_penalty, head.joint.output.weight.device)
        self._looping = LabelLooping(head, blank_penalty=self.blank_penalty, max_symbols=max_symbols)

    @torch.no_grad()
    def init_state(self, batch_size: int) -> GreedyState:
        """State before the first frame."""
        device = self.head.joint.output.weight.device
        start = torch.full((batch_size,), self.head.blank, dtype=torch.long, device=device)
        y, predictor = self.head.predictor.step(start, self.head.predictor.init_state(batch_size, device))
        frames, lane = (torch.zeros(batch_size, dtype=torch.long, device=device) for _ in range(2))
        return GreedyState(self.head.joint.predictor_proj(y), predictor, frames, lane)

    @torch.no_grad()
    def step(self, x: Tensor, lengths: Tensor, state: GreedyState) -> tuple[list[list[Emission]], GreedyState]:
        """Encoder frames (B, T, D), the first `lengths` of which are valid -> new emissions of each stream, state."""
        if x.is_cuda:
            return self._looping.step(x, lengths, state)
        joint, blank = self.head.joint, self.head.blank
        encoded, T = joint.encoder_proj(x), x.size(1)
        projected, predictor, lane = state.projected.clone(), state.predictor.clone(), state.lane.clone()
        frame = torch.zeros_like(lengths)  # where each stream is,
        symbols = torch.zeros_like(lengths)  # and what it has written there
        ahead = torch.arange(LOOKAHEAD)
        found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        rows = lengths.gt(0).nonzero()[:, 0]
        while len(rows):
            frames = frame[rows, None] + ahead
            window = encoded[rows[:, None], frames.clamp(max=T - 1)]
            logits = joint.logits(window + projected[rows, None]).float()
            best = self._best(logits, lane[rows])
            writes = best.ne(blank) & frames.lt(lengths[rows, None])
            writes[:, 0] &= symbols[rows] < self.max_symbols
            written, first = writes.max(dim=1)
            stopped = torch.where(written, first, LOOKAHEAD)
            symbols[rows] = symbols[rows] * stopped.eq(0) + written
            frame[rows] += stopped
            places = written.nonzero()[:, 0]
            if len(places):
                here, first = rows[places], first[places]
                labels = best[places, first]
                logp = logits[places, first].log_softmax(dim=-1).gather(1, labels[:, None])[:, 0]
                found.append((here, frame[here], labels, logp))
                y, after = self.head.predictor.step(labels, predictor.select(here))
                predictor.put_(here, after)
                projected.index_copy_(0, here, joint.predictor_proj(y))
                lane[here] = self.blank_penalty.after(lane[here], labels)
            rows = rows[frame[rows] < lengths[rows]]
        state_after = GreedyState(projected, predictor, state.frames + lengths, lane)
        return _emissions(found, state.frames.tolist()), state_after

    def _best(self, logits: Tensor, lane: Tensor) -> Tensor:
        """(N, frames, V) of streams in `lane` (N,) -> the best symbols, (N, frames)."""
        if not self.blank_penalty.is_zero:
            logits = logits.clone()
            logits[..., self.head.blank] -= self.blank_penalty.values[lane, None]
        return logits.argmax(dim=-1)


def _emissions(found: list[tuple[Tensor, Tensor, Tensor, Tensor]], offset: list[int]) -> list[list[Emission]]:
    """(streams, frames, labels, log-probabilities) in order -> emissions of each stream."""
    out: list[list[Emission]] = [[] for _ in offset]
    if found:
        columns = (torch.cat(column).tolist() for column in zip(*found, strict=True))
        for b, t, label, logp in zip(*columns, strict=True):
            out[b].append(Emission(label, offset[b] + t, logp))
    return out
