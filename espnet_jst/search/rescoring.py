"""A second pass that writes nothing itself: it chooses among the sequences of the first one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from espnet_jst.heads.interface import Head
from espnet_jst.search.gathering import FramesState, GatheringSearch
from espnet_jst.search.interface import Hypothesis
from espnet_jst.streams import Waiting, device_of
from espnet_jst.taps import Tap


class Rescoring(GatheringSearch):
    """Frames are gathered while a stream goes on; at its end every sequence of the first pass gets

        (1 - share) * its score + share * sum of the weighted log p(sequence | all frames) of the heads

    and the best one is what the second pass says. Labels keep the frames in which the first pass wrote them.

    Args:
        heads: of the same labels, with the tap that each reads and its weight; the first one gives `reads`.
        sizes: features of those taps.
        share: of the second pass.
    """

    def __init__(
        self, heads: Sequence[tuple[Head, str, float]], sizes: Mapping[str, int], *, share: float = 0.5
    ) -> None:
        self.heads, self.share = list(heads), share
        device = device_of(self.heads[0][0])
        super().__init__(self.heads[0][1], {reads: sizes[reads] for _, reads, _ in self.heads}, device)

    @torch.no_grad()
    def finish(self, state: FramesState, first: Sequence[Sequence[Hypothesis]] | None = None) -> list[list[Hypothesis]]:
        """The n-best list of the first pass for each stream, not empty -> the same sequences in their new order."""
        assert first is not None
        found = []
        for row, hypotheses in enumerate(first):
            labels = [[emission.token for emission in hypothesis.emissions] for hypothesis in hypotheses]
            if any(not frames.counts[row] for frames in state.frames.values()):
                found.append(list(hypotheses))  # nothing was heard
                continue
            scores = self._scores(labels, state.frames, row)
            mixed = [
                Hypothesis(hypothesis.emissions, (1.0 - self.share) * hypothesis.score + self.share * score)
                for hypothesis, score in zip(hypotheses, scores.tolist(), strict=True)
            ]
            found.append(sorted(mixed, key=lambda hypothesis: -hypothesis.score))
        return found

    def _scores(self, labels: Sequence[Sequence[int]], frames: Mapping[str, Waiting], row: int) -> Tensor:
        """What the heads say of the sequences of one stream, (K,)."""
        lengths = torch.tensor([len(sequence) for sequence in labels], device=self._device)
        targets = torch.full((len(labels), int(lengths.max())), -1, device=self._device)
        for own, sequence in zip(targets, labels, strict=True):
            own[: len(sequence)] = torch.tensor(sequence, dtype=targets.dtype)
        total = torch.zeros(len(labels), device=self._device)
        for head, reads, weight in self.heads:
            if weight:
                count = frames[reads].counts[row]
                x = frames[reads].x[row, :count].expand(len(labels), -1, -1)
                heard = Tap(x, torch.full_like(lengths, count), math.nan)
                total += weight * head.score(heard, targets, lengths)
        return total
