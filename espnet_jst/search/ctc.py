"""Search of a CTC head alone: the best label of every frame, runs of a label once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from espnet_jst.heads.ctc import CTCHead
from espnet_jst.search.interface import Emission, Hypothesis, Search, SearchState
from espnet_jst.streams import device_of
from espnet_jst.taps import Tap


@dataclass
class CTCState(SearchState):
    """Frames seen and the label of the last one, the blank before the first, (B,) each."""

    frames: Tensor
    last: Tensor


class CTCSearch(Search[CTCState]):
    """The best path. Labels of a frame do not know of each other, so nothing but the last label is carried along.

    Args:
        head: the CTC head.
        reads: the tap that it reads.
        blank_penalty: subtracted from the blank's log-probability before the best label is chosen.
    """

    def __init__(self, head: CTCHead, *, reads: str = "encoder", blank_penalty: float = 0.0) -> None:
        self.head, self.reads, self.blank_penalty = head, reads, blank_penalty

    def init_state(self, batch_size: int) -> CTCState:
        device = device_of(self.head)
        frames = torch.zeros(batch_size, dtype=torch.long, device=device)
        return CTCState([[] for _ in range(batch_size)], frames, torch.full_like(frames, self.head.blank))

    @torch.no_grad()
    def step(self, taps: Mapping[str, Tap], state: CTCState) -> tuple[list[list[Emission]], CTCState]:
        """See Search."""
        x, lengths, _ = taps[self.reads]
        new: list[list[Emission]] = [[] for _ in state.given]
        if not x.size(1):
            return new, state
        lengths, log_probs = lengths.to(x.device), self.head.log_probs(x)
        scores = log_probs
        if self.blank_penalty:
            scores = log_probs.clone()
            scores[..., self.head.blank] -= self.blank_penalty
        best = scores.argmax(dim=-1)
        before = torch.cat([state.last[:, None], best[:, :-1]], dim=1)
        valid = torch.arange(x.size(1), device=x.device) < lengths[:, None]
        rows, frames = (best.ne(self.head.blank) & best.ne(before) & valid).nonzero(as_tuple=True)
        labels = best[rows, frames]
        columns = rows, labels, state.frames[rows] + frames, log_probs[rows, frames, labels]
        for row, label, frame, logp in zip(*(column.tolist() for column in columns), strict=True):
            new[row].append(Emission(label, frame, logp))
        last = best.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0].where(lengths > 0, state.last)
        given = [written + emissions for written, emissions in zip(state.given, new, strict=True)]
        return new, replace(state, given=given, frames=state.frames + lengths, last=last)

    def finish(self, state: CTCState, first: Sequence[Sequence[Hypothesis]] | None = None) -> list[list[Hypothesis]]:
        """The one hypothesis of each stream; its score is that of its labels, without the blanks."""
        return [[Hypothesis(given, sum(emission.logp for emission in given))] for given in state.given]
