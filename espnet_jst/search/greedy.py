"""Greedy transducer search over a batch of streams, several symbols a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.search.blank_penalty import BlankPenalty
from espnet_jst.search.hypotheses import GreedyState
from espnet_jst.search.interface import Emission, Hypothesis, Search
from espnet_jst.search.label_looping import LabelLooping
from espnet_jst.streams import device_of
from espnet_jst.taps import Tap

LOOKAHEAD = 8  # frames; twice or half as many cost more or no less (benchmarks/search.py)


class GreedySearch(Search[GreedyState]):
    """At each frame, write the best symbol until it is the blank.

    Each stream looks a few frames ahead and goes from label to label: most frames write nothing, and all streams that
    write share one step of the predictor. On a GPU the same in fixed shapes, see LabelLooping.

    Args:
        head: the transducer.
        reads: the tap that it reads.
        blank_penalty: subtracted from the blank's logit before the best symbol is chosen.
        max_symbols: most symbols in one frame; a block's whole translation is a burst, so at least 20.
    """

    def __init__(
        self,
        head: TransducerHead,
        *,
        reads: str = "encoder",
        blank_penalty: float | BlankPenalty = 0.0,
        max_symbols: int = 20,
    ) -> None:
        self.head, self.reads, self.max_symbols = head, reads, max_symbols
        self.blank_penalty = BlankPenalty.of(blank_penalty, device_of(head))
        self._looping = LabelLooping(head, blank_penalty=self.blank_penalty, max_symbols=max_symbols)

    @property
    def taps(self) -> frozenset[str]:
        return self.blank_penalty.reads | {self.reads}

    @torch.no_grad()
    def init_state(self, batch_size: int) -> GreedyState:
        B, device = batch_size, device_of(self.head)
        start = torch.full((B,), self.head.blank, dtype=torch.long, device=device)
        y, predictor = self.head.predictor.step(start, self.head.predictor.init_state(B, device))
        frames, lane = (torch.zeros(B, dtype=torch.long, device=device) for _ in range(2))
        given: list[list[Emission]] = [[] for _ in range(B)]
        penalty, projected = self.blank_penalty.of_streams(B), self.head.joint.predictor_proj(y)
        heard, pace = self.blank_penalty.init_heard(B), self.blank_penalty.paces(B)
        return GreedyState(given, frames, penalty, heard, projected, predictor, lane, pace)

    @torch.no_grad()
    def step(self, taps: Mapping[str, Tap], state: GreedyState) -> tuple[list[list[Emission]], GreedyState]:
        """Further frames (B, T, D) of the tap -> new emissions of each stream, state."""
        x, lengths, _ = taps[self.reads]
        clock, heard = self.blank_penalty.hear(taps, self.reads, state.frames, state.heard)
        advance = self._looping.step if x.is_cuda else self._step
        new, state = advance(x, lengths.to(x.device), replace(state, heard=heard), clock)
        given = [
            before + emissions if emissions else before for before, emissions in zip(state.given, new, strict=True)
        ]
        return new, replace(state, given=given)

    def finish(self, state: GreedyState, first: Sequence[Sequence[Hypothesis]] | None = None) -> list[list[Hypothesis]]:
        """The one hypothesis of each stream; its score is that of its labels, without the blanks."""
        return [[Hypothesis(given, sum(emission.logp for emission in given))] for given in state.given]

    def _step(
        self, x: Tensor, lengths: Tensor, state: GreedyState, clock: Tensor
    ) -> tuple[list[list[Emission]], GreedyState]:
        joint, blank, pace = self.head.joint, self.head.blank, state.pace.clone()
        encoded, T = joint.encoder_proj(x), x.size(1)
        penalized = bool(self.blank_penalty.steering or state.penalty.any())
        projected, predictor, lane = state.projected.clone(), state.predictor.clone(), state.lane.clone()
        frame = torch.zeros_like(lengths)  # where each stream is,
        symbols = torch.zeros_like(lengths)  # and what it has written there
        ahead = torch.arange(LOOKAHEAD, device=x.device)
        found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        rows = lengths.gt(0).nonzero()[:, 0]
        while len(rows):
            frames = frame[rows, None] + ahead
            places = rows[:, None], frames.clamp(max=T - 1)
            logits = self.head.search_logits(encoded[places] + projected[rows, None])
            penalty = None
            if penalized:
                numbers = state.frames[rows, None] + frames
                lanes = self.blank_penalty.now(state.penalty[rows, None], clock[places], pace[rows, None], numbers)
                penalty = lanes[torch.arange(len(rows), device=x.device), :, lane[rows]]
            best = self._best(logits, penalty)
            writes = best.ne(blank) & frames.lt(lengths[rows, None])
            writes[:, 0] &= symbols[rows] < self.max_symbols
            written, first = writes.max(dim=1)
            stopped = torch.where(written, first, LOOKAHEAD)
            symbols[rows] = symbols[rows] * stopped.eq(0) + written
            frame[rows] += stopped
            n = written.nonzero()[:, 0]
            if len(n):
                here, first = rows[n], first[n]
                labels = best[n, first]
                logp = logits[n, first].log_softmax(dim=-1).gather(1, labels[:, None])[:, 0]
                found.append((here, frame[here], labels, logp))
                y, after = self.head.predictor.step(labels, predictor.select(here))
                predictor.put_(here, after)
                projected.index_copy_(0, here, joint.predictor_proj(y))
                if self.blank_penalty.steering:
                    now, number = clock[here, frame[here]], state.frames[here] + frame[here]
                    pace[here] = self.blank_penalty.wrote(pace[here], lane[here], labels, now, number)
                lane[here] = self.blank_penalty.after(lane[here], labels)
            rows = rows[frame[rows] < lengths[rows]]
        heard = state.frames + lengths
        after_all = replace(state, frames=heard, projected=projected, predictor=predictor, lane=lane, pace=pace)
        return _emissions(found, state.frames.tolist()), after_all

    def _best(self, logits: Tensor, penalty: Tensor | None) -> Tensor:
        """(N, frames, V), and what comes off the blank, (N, 1 or frames) -> the best symbols, (N, frames)."""
        if penalty is not None:
            logits = logits.clone()
            logits[..., self.head.blank] -= penalty
        return logits.argmax(dim=-1)


def _emissions(found: list[tuple[Tensor, Tensor, Tensor, Tensor]], offset: list[int]) -> list[list[Emission]]:
    """(streams, frames, labels, log-probabilities) in order -> emissions of each stream."""
    out: list[list[Emission]] = [[] for _ in offset]
    if found:
        columns = (torch.cat(column).tolist() for column in zip(*found, strict=True))
        for b, t, label, logp in zip(*columns, strict=True):
            out[b].append(Emission(label, offset[b] + t, logp))
    return out
