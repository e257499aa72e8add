"""Beam search of a transducer over a batch of streams: time-synchronous, several symbols a frame, streaming."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from espnet_jst.errors import DataError
from espnet_jst.heads.predictor import PredictorState
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.search.blank_penalty import BlankPenalty
from espnet_jst.search.hypotheses import Beam, BeamState, Tree
from espnet_jst.search.interface import Emission, Hypothesis, Search
from espnet_jst.search.scorers import LabelScorer
from espnet_jst.streams import device_of
from espnet_jst.taps import Tap

NEVER = float("-inf")
LOOKAHEAD = 4  # frames
HASH_FACTOR = 6364136223846793005  # Knuth's multiplier; sequences are told apart by a 64-bit rolling hash


class _Frame(NamedTuple):
    """One frame of N streams.

    Attributes:
        rows: the streams, (N,).
        place: of the frame among those of this step, (N,).
        number: of the frame in its stream, (N,).
        encoded: (N, J).
        clock: what steers the penalty, (N, L).
    """

    rows: Tensor
    place: Tensor
    number: Tensor
    encoded: Tensor
    clock: Tensor

    def select(self, rows: Tensor) -> _Frame:
        """Some of the streams."""
        return _Frame(*(x[rows] for x in self))


@dataclass(frozen=True)
class _Gains:
    """What labels gain over the blank in a step.

    Attributes:
        values: of each stream and lane to begin with, (B, L).
        clock: what steers them, (B, T, L).
        offset: frames of each stream before this step, (B,).
    """

    penalty: BlankPenalty
    values: Tensor
    clock: Tensor
    offset: Tensor

    def of(self, rows: Tensor, place: Tensor, scores: Tensor, lanes: Tensor, pace: Tensor) -> Tensor:
        """For N streams at frames (N, W) of the step, with K hypotheses: (N, W, K), or (N, 1, K) for all frames.

        Args:
            scores: of the hypotheses at each frame, (N, W, K); all go by the pace of the best one.
            lanes: in which they are, (N, K).
            pace: of each, (N, K, P).
        """
        best = pace[torch.arange(len(rows), device=rows.device)[:, None], scores.argmax(dim=2)]
        clock = self.clock[rows[:, None], place.clamp(max=self.clock.size(1) - 1)]
        now = self.penalty.now(self.values[rows, None], clock, best, self.offset[rows, None] + place)
        return now.gather(2, lanes[:, None].expand(-1, now.size(1), -1))


class BeamSearch(Search[BeamState]):
    """At each frame, every hypothesis may write up to `max_symbols` symbols before it takes the blank.

    Hypotheses are merged, their probabilities added, when they hold the same labels: then lanes, current lane and
    predictor state are the same too. `step` gives out what all hypotheses of a stream share, so nothing is retracted.

    Args:
        head: the transducer.
        reads: the tap that it reads.
        beam_size: hypotheses kept, K.
        blank_penalty: added to the score of every label. Taken off the blank instead, as greedy search does with the
            same choice between the two, it would charge a hypothesis for every frame in which it waits, and one that
            never opens the lane of the penalty would win. One that is steered follows the best hypothesis of a stream:
            by its own pace each would gain by waiting.
        max_symbols: most symbols in one frame.
        scorers: what is added to the labels' log-probabilities, those of the emissions included.
    """

    def __init__(
        self,
        head: TransducerHead,
        *,
        reads: str = "encoder",
        beam_size: int = 4,
        blank_penalty: float | BlankPenalty = 0.0,
        max_symbols: int = 20,
        scorers: Sequence[LabelScorer] = (),
    ) -> None:
        self.head, self.reads, self.beam_size, self.max_symbols = head, reads, beam_size, max_symbols
        self.scorers = tuple(scorers)
        self.blank_penalty = BlankPenalty.of(blank_penalty, device_of(head))

    @property
    def taps(self) -> frozenset[str]:
        return self.blank_penalty.reads | {self.reads}

    @torch.no_grad()
    def init_state(self, batch_size: int) -> BeamState:
        """State before the first frame: one empty hypothesis a stream."""
        B, K, device = batch_size, self.beam_size, device_of(self.head)
        start = torch.full((B * K,), self.head.blank, dtype=torch.long, device=device)
        y, predictor = self.head.predictor.step(start, self.head.predictor.init_state(B * K, device))
        scores = torch.full((B, K), NEVER, device=device)
        scores[:, 0] = 0.0
        marks = torch.zeros(4, B, K, dtype=torch.long, device=device)
        memory = (predictor, *(scorer.init_state(B * K, device) for scorer in self.scorers))
        projected, pace = self.head.joint.predictor_proj(y).view(B, K, -1), self.blank_penalty.paces(B, K)
        beam = Beam(marks, scores, projected, pace, memory)
        frames = torch.zeros(B, dtype=torch.long, device=device)
        given: list[list[Emission]] = [[] for _ in range(B)]
        pending: list[list[list[Emission]]] = [[[] for _ in range(K)] for _ in range(B)]
        penalty, heard = self.blank_penalty.of_streams(B), self.blank_penalty.init_heard(B)
        return BeamState(given, frames, penalty, heard, beam, pending)

    @torch.no_grad()
    def step(self, taps: Mapping[str, Tap], state: BeamState) -> tuple[list[list[Emission]], BeamState]:
        """Further frames (B, T, D) of the tap -> emissions that are certain, state.

        Raises:
            DataError: no hypothesis of a stream has a probability; `index` is its place in the batch.
        """
        x, lengths, _ = taps[self.reads]
        encoded, lengths = self.head.joint.encoder_proj(x), lengths.to(x.device)
        clock, heard = self.blank_penalty.hear(taps, self.reads, state.frames, state.heard)
        gains = None
        if self.blank_penalty.steering or state.penalty.any():
            gains = _Gains(self.blank_penalty, state.penalty, clock, state.frames)
        tree, beam = Tree(state.beam.scores.numel()), state.beam.clone()
        beam.marks[0] = torch.arange(tree.roots, device=x.device).view_as(beam.scores)
        frame = torch.zeros_like(lengths)  # where each stream is
        rows = lengths.gt(0).nonzero()[:, 0]
        while len(rows):
            rows, blank, labels = self._pass(encoded, lengths, frame, rows, gains, beam)
            if len(rows):
                here = frame[rows]
                now = _Frame(rows, here, state.frames[rows] + here, encoded[rows, here], clock[rows, here])
                beam.put_(rows, self._write(now, gains, blank, labels, beam.select(rows), tree))
                frame[rows] += 1
            rows = frame.lt(lengths).nonzero()[:, 0]
        pending = [
            [state.pending[b][root % self.beam_size] + path for root, path in row]
            for b, row in enumerate(tree.paths(beam.marks[0]))
        ]
        return self._show(replace(state, beam=beam, frames=state.frames + lengths, heard=heard, pending=pending))

    def finish(self, state: BeamState, first: Sequence[Sequence[Hypothesis]] | None = None) -> list[list[Hypothesis]]:
        """See Search; hypotheses that no path leads to are left out."""
        scores = state.beam.scores.clone()
        for scorer, memory in zip(self.scorers, state.beam.memory[1:], strict=True):
            scores += scorer.final(memory).view_as(scores)
        lists: list[list[Hypothesis]] = []
        for given, pending, row in zip(state.given, state.pending, scores.tolist(), strict=True):
            order = sorted((k for k, score in enumerate(row) if score > NEVER), key=lambda k: -row[k])
            if not order:
                raise _no_hypothesis(len(lists))
            lists.append([Hypothesis(given + pending[k], row[k]) for k in order])
        return lists

    def _pass(
        self, encoded: Tensor, lengths: Tensor, frame: Tensor, rows: Tensor, gains: _Gains | None, beam: Beam
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pass the frames in which no label can enter the beam: every hypothesis takes the blank. Most frames end here.

        Args:
            encoded: frames, (B, T, J).
            lengths: valid ones, (B,).
            frame: where each stream is, (B,); moved.
            rows: the streams that are not at their end, (N,).
            gains: what labels gain, or None.
            beam: all streams; its scores are changed.

        Returns:
            The streams that stopped at a frame, (M,), and there the scores of the blank (M, K) and labels (M, K, V).
        """
        frames = frame[rows, None] + torch.arange(LOOKAHEAD, device=rows.device)
        valid = frames < lengths[rows, None]
        window = encoded[rows[:, None], frames.clamp(max=encoded.size(1) - 1)]
        places = beam.places(rows)
        added = self._added([state.select(places) for state in beam.memory[1:]])
        if added is not None:
            added = added.view(len(rows), 1, self.beam_size, -1)
        logp = self._logp(window[:, :, None] + beam.projected[rows, None])
        blank, scores = logp[..., self.head.blank].clone(), beam.scores[rows, None]
        after = scores + blank.masked_fill(~valid[..., None], 0.0).cumsum(dim=1)
        before = torch.cat([scores, after[:, :-1]], dim=1)
        gain = None if gains is None else gains.of(rows, frames, before, beam.marks[3, rows], beam.pace[rows])
        labels = self._labels(logp, gain, added)
        # What is below the worst of a full beam is given up, as in `_extend`; only a bonus could bring it back.
        hopeful = ((before + labels.amax(-1)).amax(-1) > after.amin(-1)) & valid
        stops, first = hopeful.max(dim=1)
        n = torch.arange(len(rows), device=rows.device)
        beam.scores.index_copy_(0, rows, torch.where(stops[:, None], before[n, first], after[:, -1]))
        frame[rows] += torch.where(stops, first, valid.sum(dim=1))
        n = stops.nonzero()[:, 0]
        return rows[n], blank[n, first[n]], labels[n, first[n]]

    def _write(
        self, frame: _Frame, gains: _Gains | None, blank: Tensor, labels: Tensor, live: Beam, tree: Tree
    ) -> Beam:
        """One frame of N streams: labels, up to `max_symbols`, and then the blank."""
        rows, done = torch.arange(len(blank), device=blank.device), replace(live, scores=live.scores + blank)
        for _ in range(self.max_symbols):
            worst = done.scores[rows].amin(1)
            hopeful = ((live.scores[..., None] + labels).flatten(1).amax(1) > worst).nonzero()[:, 0]
            if not len(hopeful):
                break
            if len(hopeful) < len(rows):
                rows, worst, live, labels = rows[hopeful], worst[hopeful], live.select(hopeful), labels[hopeful]
            now, gain = frame.select(rows), None
            live, alive = self._extend(live, labels, worst, now, tree)
            if gains is not None:
                gain = gains.of(now.rows, now.place[:, None], live.scores[:, None], live.marks[3], live.pace)[:, 0]
            blank, labels = self._scores_of(alive, now.encoded, gain, live)
            finished = replace(live, scores=live.scores + blank)
            both = Beam.side_by_side([done.select(rows), finished])
            done.put_(rows, self._best(_merged(both)))
        return done

    def _logp(self, projected: Tensor) -> Tensor:
        """Hypotheses (..., J) -> log-probabilities, (..., V)."""
        return self.head.search_logits(projected).log_softmax(dim=-1)

    def _labels(self, logp: Tensor, gain: Tensor | None, added: Tensor | None) -> Tensor:
        """Scores of the labels from `logp` (..., V), which is changed, -inf for the blank.

        Args:
            gain: what every label gains, (...).
            added: what single ones do, (..., V).
        """
        if gain is not None:
            logp += gain[..., None]
        if added is not None:
            logp = logp + added
        logp[..., self.head.blank] = NEVER
        return logp

    def _added(self, memory: Sequence[PredictorState]) -> Tensor | None:
        """What the scorers add to the labels of N hypotheses, (N, V)."""
        added = [scorer.scores(state) for scorer, state in zip(self.scorers, memory, strict=True)]
        return sum(added[1:], added[0]) if added else None

    def _scores_of(self, alive: Tensor, encoded: Tensor, gain: Tensor | None, beam: Beam) -> tuple[Tensor, Tensor]:
        """Of the hypotheses `alive` (B, K) of a beam, -inf for the others: scores of the blank (B, K) and of labels
        (B, K, V); `gain` is (B, K).
        """
        B, K, J = beam.projected.shape
        places = alive.flatten().nonzero()[:, 0]
        streams = places.div(K, rounding_mode="floor")
        projected = encoded[streams] + beam.projected.view(B * K, J)[places]
        added = self._added([state.select(places) for state in beam.memory[1:]])
        logp = self._logp(projected)
        blank = logp[..., self.head.blank].clone()
        some = blank, self._labels(logp, None if gain is None else gain.flatten()[places], added)
        blank, labels = (x.new_full((B * K, *x.shape[1:]), NEVER).index_copy_(0, places, x) for x in some)
        return blank.view(B, K), labels.view(B, K, -1)

    def _extend(self, beam: Beam, labels: Tensor, worst: Tensor, frame: _Frame, tree: Tree) -> tuple[Beam, Tensor]:
        """The K best continuations by one label of each stream, and which of them are better than `worst`."""
        _B, K, V = labels.shape
        scores, flat = (beam.scores[..., None] + labels).flatten(1).topk(min(K, K * V), dim=1)
        label, alive = flat % V, scores > worst[:, None]
        chosen = beam.choose(flat // V)
        places = alive.flatten().nonzero()[:, 0]
        written = label.flatten()[places]
        predictor, *scorers = (state.select(places) for state in chosen.memory)
        y, predictor = self.head.predictor.step(written, predictor)
        after = [predictor, *(s.step(written, state) for s, state in zip(self.scorers, scorers, strict=True))]
        chosen.projected.flatten(0, 1).index_copy_(0, places, self.head.joint.predictor_proj(y))
        nodes, counts, keys, lanes = chosen.marks
        nodes = tree.add(nodes, label, frame.number, labels.flatten(1).gather(1, flat))
        for state, new in zip(chosen.memory, after, strict=True):
            state.put_(places, new)
        live = Beam(
            torch.stack([nodes, counts + 1, keys * HASH_FACTOR + label + 1, self.blank_penalty.after(lanes, label)]),
            scores.masked_fill(~alive, NEVER),
            chosen.projected,
            self.blank_penalty.wrote(chosen.pace, lanes, label, frame.clock[:, None], frame.number[:, None]),
            chosen.memory,
        )
        return live, alive

    def _best(self, beam: Beam) -> Beam:
        return beam.choose(beam.scores.topk(self.beam_size, dim=1).indices)

    def _show(self, state: BeamState) -> tuple[list[list[Emission]], BeamState]:
        """Give out what all hypotheses of a stream share: the emissions of its best one, as far as labels agree."""
        out: list[list[Emission]] = []
        given, pending = [], []
        for before, paths, scores in zip(state.given, state.pending, state.beam.scores.tolist(), strict=True):
            alive = [k for k, score in enumerate(scores) if score > NEVER]
            if not alive:
                raise _no_hypothesis(len(out))
            shared = 0
            for column in zip(*(paths[k] for k in alive), strict=False):
                if any(emission.token != column[0].token for emission in column):
                    break
                shared += 1
            best = paths[max(alive, key=lambda k: scores[k])]
            out.append(best[:shared])
            given.append(before + best[:shared])
            pending.append([path[shared:] for path in paths])
        return out, replace(state, given=given, pending=pending)


def _no_hypothesis(index: int) -> DataError:
    return DataError(
        "no hypothesis of the beam has a probability above 0: what the encoder makes of the audio is not finite, or a "
        "penalty forbids everything; check the recording, the weights and blank_penalty",
        index=index,
    )


def _merged(beam: Beam) -> Beam:
    """Add the probabilities of equal sequences to the likeliest of them; the others become unused."""
    scores, labels = beam.scores, beam.marks[1:3]
    same = (labels[..., None] == labels[..., None, :]).all(dim=0)
    total = torch.where(same, scores[:, None], NEVER).logsumexp(dim=2)
    place = torch.arange(scores.size(1), device=scores.device)
    earlier = (scores[:, None] == scores[:, :, None]) & (place < place[:, None])
    better = (scores[:, None] > scores[:, :, None]) | earlier
    return replace(beam, scores=total.masked_fill((same & better).any(dim=2), NEVER))
