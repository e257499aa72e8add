"""Greedy transducer search over a batch of streams, several symbols a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from espnet_jst.heads.predictor import PredictorState
from espnet_jst.heads.transducer import TransducerHead


class Emission(NamedTuple):
    """A label, the encoder frame in which it was written, and its log-probability."""

    token: int
    frame: int
    logp: float


@dataclass
class GreedyState:
    """Predictor output projected for the joint network, (B, J), predictor state, frames seen (B,)."""

    projected: Tensor
    predictor: PredictorState
    frames: Tensor

    def select(self, index: Tensor) -> GreedyState:
        """The streams `index`, in that order."""
        return GreedyState(self.projected[index], self.predictor.select(index), self.frames[index])

    @staticmethod
    def concat(states: Sequence[GreedyState]) -> GreedyState:
        """Streams of several batches in one."""
        predictor = PredictorState.concat([state.predictor for state in states])
        projected, frames = (torch.cat([getattr(s, name) for s in states]) for name in ("projected", "frames"))
        return GreedyState(projected, predictor, frames)


class GreedySearch:
    """At each frame, write the best symbol until it is the blank.

    The streams of a batch are independent and may have begun at different times. On a GPU the same search goes from
    label to label instead of from frame to frame, see LabelLooping.

    Args:
        head: the transducer.
        blank_penalty: subtracted from the blank's logit before the best symbol is chosen.
        max_symbols: most symbols in one frame; a block's whole translation is a burst, so at least 20.
    """

    def __init__(self, head: TransducerHead, *, blank_penalty: float = 0.0, max_symbols: int = 20) -> None:
        from espnet_jst.search.label_looping import LabelLooping

        self.head, self.blank_penalty, self.max_symbols = head, blank_penalty, max_symbols
        self._looping = LabelLooping(head, blank_penalty=blank_penalty, max_symbols=max_symbols)

    @torch.no_grad()
    def init_state(self, batch_size: int) -> GreedyState:
        """State before the first frame."""
        device = self.head.joint.output.weight.device
        start = torch.full((batch_size,), self.head.blank, dtype=torch.long, device=device)
        y, predictor = self.head.predictor.step(start, self.head.predictor.init_state(batch_size, device))
        frames = torch.zeros(batch_size, dtype=torch.long, device=device)
        return GreedyState(self.head.joint.predictor_proj(y), predictor, frames)

    @torch.no_grad()
    def step(self, x: Tensor, lengths: Tensor, state: GreedyState) -> tuple[list[list[Emission]], GreedyState]:
        """Encoder frames (B, T, D), the first `lengths` of which are valid -> new emissions of each stream, state."""
        if x.is_cuda:
            return self._looping.step(x, lengths, state)
        joint, blank, limits = self.head.joint, self.head.blank, lengths.tolist()
        encoded = joint.encoder_proj(x).transpose(0, 1).contiguous()
        projected = state.projected.clone()
        predictor = state.predictor.clone()
        found: list[tuple[int, Tensor, Tensor, Tensor]] = []
        everyone = torch.arange(len(limits), device=x.device)
        for t in range(max(limits, default=0)):
            rows = everyone
            hidden = encoded[t] + projected
            if min(limits) <= t:
                rows = everyone[lengths > t]
                hidden = hidden[rows]
            for _ in range(self.max_symbols):
                logits = joint.logits(hidden).float()
                best = self._best(logits)
                written = best.ne(blank).nonzero()[:, 0]
                if not len(written):
                    break
                labels, rows = best[written], rows[written]
                logp = logits[written].log_softmax(dim=-1).gather(1, labels[:, None])[:, 0]
                found.append((t, rows, labels, logp))
                y, after = self.head.predictor.step(labels, predictor.select(rows))
                predictor.put_(rows, after)
                y = joint.predictor_proj(y)
                projected.index_copy_(0, rows, y)
                hidden = encoded[t, rows] + y
        return _emissions(found, state.frames.tolist()), GreedyState(projected, predictor, state.frames + lengths)

    def _best(self, logits: Tensor) -> Tensor:
        if self.blank_penalty:
            logits = logits.clone()
            logits[:, self.head.blank] -= self.blank_penalty
        return logits.argmax(dim=-1)


def _emissions(found: list[tuple[int, Tensor, Tensor, Tensor]], offset: list[int]) -> list[list[Emission]]:
    """(frame, streams, labels, log-probabilities) in order -> emissions of each stream; one look at the device."""
    out: list[list[Emission]] = [[] for _ in offset]
    if found:
        frames = [t for t, rows, _, _ in found for _ in range(len(rows))]
        streams, labels, logps = (torch.cat(parts).tolist() for parts in list(zip(*found))[1:])
        for t, b, label, logp in zip(frames, streams, labels, logps, strict=True):
            out[b].append(Emission(label, offset[b] + t, logp))
    return out
