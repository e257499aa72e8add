"""Beam search of an attention decoder, with CTC if there is one: label by label, over whole utterances in a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_jst.heads.attention import AttentionHead
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.search.ctc_prefix import NEVER, CTCPrefix
from espnet_jst.search.gathering import FramesState, GatheringSearch
from espnet_jst.search.interface import Emission, Hypothesis
from espnet_jst.search.scorers import LabelScorer

# End detection (ESPnet's, eq. 50 of Watanabe et al., 2017): this many lengths in a row with nothing near the best.
END_LENGTHS, END_MARGIN = 3, 10 * math.log(10)
CTC_WEIGHT = 0.3


@dataclass
class _Ended:
    """A sequence that has written its end: its labels, what each of them gained, and its score."""

    labels: list[int]
    gains: list[float]
    score: float


class AttentionSearch(GatheringSearch):
    """Frames are gathered while a stream goes on; at its end the decoder writes. All labels get the last frame: what is
    known of their times is what a CTC head tells.

    The score of a sequence is that of ESPnet's searches: (1 - ctc_weight) log p_attention + ctc_weight log p_CTC +
    penalty for every label and for the end.

    Args:
        head: the decoder.
        reads: the tap that it reads.
        beam_size: hypotheses kept.
        ctc, ctc_reads: a CTC head of the same labels and the tap that it reads.
        ctc_weight: its share.
        penalty: nats for each label.
        maxlenratio: most labels for each frame; 0: as many as frames, below 0: that number.
        minlenratio: least labels for each frame; below 0: that number.
        scorers: what is added to the labels' log-probabilities.
    """

    def __init__(
        self,
        head: AttentionHead,
        *,
        reads: str = "encoder",
        beam_size: int = 1,
        ctc: CTCHead | None = None,
        ctc_reads: str = "encoder",
        ctc_weight: float = CTC_WEIGHT,
        penalty: float = 0.0,
        maxlenratio: float = 0.0,
        minlenratio: float = 0.0,
        scorers: Sequence[LabelScorer] = (),
    ) -> None:
        self.head, self.beam_size, self.scorers = head, beam_size, tuple(scorers)
        self.ctc, self.ctc_reads, self.ctc_weight = ctc if ctc_weight else None, ctc_reads, ctc_weight if ctc else 0.0
        self.penalty, self.maxlenratio, self.minlenratio = penalty, maxlenratio, minlenratio
        output = head.decoder.output_layer
        sizes = {reads: output.in_features}
        if self.ctc is not None:
            sizes[ctc_reads] = self.ctc.output.in_features
        super().__init__(reads, sizes, output.weight.device)

    @torch.no_grad()
    def finish(self, state: FramesState, first: Sequence[Sequence[Hypothesis]] | None = None) -> list[list[Hypothesis]]:
        """See Search; a stream without a frame has the empty sequence."""
        lists = [[Hypothesis([], 0.0)] for _ in state.given]
        counts = state.frames[self.reads].counts
        rows = [row for row, count in enumerate(counts) if count]
        if rows:
            for row, ended in zip(rows, self._search(state.select(torch.tensor(rows))), strict=True):
                frame = counts[row] - 1
                lists[row] = [
                    Hypothesis([Emission(label, frame, gain) for label, gain in zip(e.labels, e.gains)], e.score)
                    for e in ended
                ]
        return lists

    def _search(self, state: FramesState) -> list[list[_Ended]]:
        """The best sequences of each utterance, best first."""
        x, counts = state.frames[self.reads].x, state.frames[self.reads].counts
        device = x.device
        B, V, end = len(counts), self.head.vocab_size, self.head.end
        rows = torch.arange(B, device=device)[:, None]
        labels_only = torch.arange(V, device=device).ne(end)
        least, most = (torch.tensor(x, device=device) for x in zip(*map(self._bounds, counts), strict=True))
        memory, written = self.head.begin(x, torch.tensor(counts))
        prefix = self._prefix(state)
        prefixes = None if prefix is None else prefix.begin()
        scorers = [scorer.init_state(B, device) for scorer in self.scorers]
        scores = torch.zeros(B, 1, device=device)
        last = torch.full((B, 1), end, device=device)
        labels, gains = last.new_zeros(B, 1, 0), scores.new_zeros(B, 1, 0)
        ended: list[list[_Ended]] = [[] for _ in range(B)]
        for count in range(int(most.max()) + 1):
            width = last.size(1)
            added, written = self.head.step(last, memory, written)
            added = (1.0 - self.ctc_weight) * added + self.penalty
            if prefix is not None and prefixes is not None:
                ctc = prefix.scores(prefixes)
                ctc[..., end] = prefix.ends(prefixes)
                added += self.ctc_weight * (ctc - prefixes.score[..., None]).nan_to_num(NEVER, NEVER, NEVER).float()
            for scorer, known in zip(self.scorers, scorers, strict=True):
                further = scorer.scores(known).view(added.shape).clone()
                further[..., end] = scorer.final(known).view(B, width)
                added += further
            added[..., self.head.blank] = NEVER
            added.masked_fill_(((most <= count)[:, None] & labels_only)[:, None], NEVER)
            added.masked_fill_(((least > count)[:, None] & ~labels_only)[:, None], NEVER)
            total = (scores[..., None] + added).flatten(1)
            scores, place = total.topk(min(self.beam_size, total.size(1)), dim=1)
            parents, last = place // V, place % V
            labels = torch.cat([labels[rows, parents], last[..., None]], dim=2)
            gains = torch.cat([gains[rows, parents], added.flatten(1).gather(1, place)[..., None]], dim=2)
            scores = self._end(scores, last, labels, gains, ended)
            scores = self._without_hope(scores, ended, count, most)
            if not bool((scores > NEVER).any()):
                break
            written = written.choose(parents)
            if prefix is not None and prefixes is not None:
                prefixes = prefix.extend(prefixes, parents, last)
            chosen = (rows * width + parents).flatten()
            scorers = [s.step(last.flatten(), known.select(chosen)) for s, known in zip(self.scorers, scorers)]
        return [sorted(found, key=lambda e: -e.score)[: self.beam_size] for found in ended]

    def _prefix(self, state: FramesState) -> CTCPrefix | None:
        if self.ctc is None:
            return None
        frames = state.frames[self.ctc_reads]
        return CTCPrefix(self.ctc.log_probs(frames.x), torch.tensor(frames.counts), blank=self.head.blank)

    def _bounds(self, frames: int) -> tuple[int, int]:
        """Least and most labels of an utterance."""
        least, most = (
            int(-ratio) if ratio < 0 else int(ratio * frames) for ratio in (self.minlenratio, self.maxlenratio)
        )
        most = max(1, most) if self.maxlenratio else frames
        if self.head.most_labels is not None:
            most = min(most, self.head.most_labels)
        return min(least, most), most

    def _end(self, scores: Tensor, last: Tensor, labels: Tensor, gains: Tensor, ended: list[list[_Ended]]) -> Tensor:
        """Put what has written its end into the lists -> the scores of what goes on."""
        over = last.eq(self.head.end) & scores.gt(NEVER)
        for b, k in over.nonzero().tolist():
            ended[b].append(_Ended(labels[b, k, :-1].tolist(), gains[b, k, :-1].tolist(), float(scores[b, k])))
        return scores.masked_fill(last.eq(self.head.end), NEVER)

    def _without_hope(self, scores: Tensor, ended: list[list[_Ended]], count: int, most: Tensor) -> Tensor:
        """Give up utterances whose list is full of better sequences, or whose last lengths all were far worse."""
        for b, (best, limit) in enumerate(zip(scores.amax(dim=1).tolist(), most.tolist(), strict=True)):
            if not ended[b] or best == NEVER:
                continue
            found = sorted((e.score for e in ended[b]), reverse=True)
            # A label adds nothing above the penalty, unless a scorer has a bonus.
            hope = best + max(self.penalty, 0.0) * (limit - count)
            full = len(found) >= self.beam_size and hope <= found[self.beam_size - 1] and not self.scorers
            recent = [[e.score for e in ended[b] if len(e.labels) == count - m] for m in range(END_LENGTHS)]
            if full or all(some and max(some) < found[0] - END_MARGIN for some in recent):
                scores[b] = NEVER
        return scores
