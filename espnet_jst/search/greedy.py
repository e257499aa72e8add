"""Greedy transducer search over a batch of streams, several symbols a frame."""

from __future__ import annotations

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


class GreedySearch:
    """At each frame, write the best symbol until it is the blank.

    Args:
        head: the transducer.
        blank_penalty: subtracted from the blank's logit before the best symbol is chosen.
        max_symbols: most symbols in one frame; a block's whole translation is a burst, so at least 20.
    """

    def __init__(self, head: TransducerHead, *, blank_penalty: float = 0.0, max_symbols: int = 20) -> None:
        self.head, self.blank_penalty, self.max_symbols = head, blank_penalty, max_symbols

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
        joint, blank = self.head.joint, self.head.blank
        B, T, _ = x.shape
        out: list[list[Emission]] = [[] for _ in range(B)]
        encoded = joint.encoder_proj(x)
        projected, predictor = state.projected, state.predictor
        offset = state.frames.tolist()
        for t in range(T):
            active = lengths > t
            for _ in range(self.max_symbols):
                logits = joint.output((encoded[:, t] + projected).tanh()).float()
                scores = logits.clone()
                scores[:, blank] -= self.blank_penalty
                best = scores.argmax(dim=-1)
                active = active & (best != blank)
                rows = active.nonzero()[:, 0]
                if rows.numel() == 0:
                    break
                logp = logits[rows].log_softmax(dim=-1).gather(1, best[rows, None])[:, 0]
                for b, token, p in zip(rows.tolist(), best[rows].tolist(), logp.tolist(), strict=True):
                    out[b].append(Emission(token, offset[b] + t, p))
                y, after = self.head.predictor.step(best, predictor)
                predictor = after.where(active, predictor)
                projected = torch.where(active[:, None], joint.predictor_proj(y), projected)
        return out, GreedyState(projected, predictor, state.frames + lengths)
