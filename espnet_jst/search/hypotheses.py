"""What transducer searches carry: states of their streams, hypotheses as tensors, the tree of the labels written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_jst.heads.predictor import PredictorState
from espnet_jst.search.blank_penalty import Heard
from espnet_jst.search.interface import Emission, SearchState
from espnet_jst.streams import RowState


@dataclass
class TransducerState(SearchState):
    """What greedy and beam search have in common.

    Attributes:
        frames: frames seen, (B,).
        penalty: what labels gain over the blank in each lane to begin with, (B, L); it may be another one from step to
            step.
        heard: what steers it.
    """

    frames: Tensor
    penalty: Tensor
    heard: Heard


@dataclass
class GreedyState(TransducerState):
    """State of a greedy search.

    Attributes:
        projected: predictor output projected for the joint network, (B, J).
        predictor: its state.
        lane: the lane that each stream is in, (B,).
        pace: what each stream has written, for its penalty, (B, P).
    """

    projected: Tensor
    predictor: PredictorState
    lane: Tensor
    pace: Tensor


@dataclass
class Beam(RowState):
    """K hypotheses for each of B streams, as tensors.

    Attributes:
        marks: for each hypothesis the place of its last label in the tree of this step's labels, the number of its
            labels, a hash of them, and the lane that it is in, (4, B, K).
        scores: log-probability, (B, K); -inf marks an unused place.
        projected: predictor output projected for the joint network, (B, K, J).
        pace: what it has written, for the penalty, (B, K, P).
        memory: states of the predictor and of the scorers, each (B * K, ...).
    """

    marks: Tensor
    scores: Tensor
    projected: Tensor
    pace: Tensor
    memory: tuple[PredictorState, ...]

    def clone(self) -> Beam:
        """A copy that `put_` may change."""
        memory = tuple(state.clone() for state in self.memory)
        return Beam(self.marks.clone(), self.scores.clone(), self.projected.clone(), self.pace.clone(), memory)

    def choose(self, index: Tensor) -> Beam:
        """The hypotheses `index` (B, N) of each stream."""
        B, K = self.scores.shape
        flat = (index + torch.arange(0, B * K, K, device=index.device)[:, None]).flatten()
        return Beam(
            self.marks.flatten(1)[:, flat].view(-1, *index.shape),
            self.scores.gather(1, index),
            self.projected.flatten(0, 1)[flat].view(*index.shape, -1),
            self.pace.flatten(0, 1)[flat].view(*index.shape, self.pace.size(-1)),
            tuple(state.select(flat) for state in self.memory),
        )

    def select(self, rows: Tensor) -> Beam:
        """The streams `rows` (N,)."""
        places = self.places(rows)
        memory = tuple(state.select(places) for state in self.memory)
        return Beam(self.marks[:, rows], self.scores[rows], self.projected[rows], self.pace[rows], memory)

    def put_(self, rows: Tensor, other: Beam) -> None:
        """Replace the streams `rows` (N,) by those of `other`."""
        self.marks.index_copy_(1, rows, other.marks)
        self.scores.index_copy_(0, rows, other.scores)
        self.projected.index_copy_(0, rows, other.projected)
        self.pace.index_copy_(0, rows, other.pace)
        places = self.places(rows)
        for mine, theirs in zip(self.memory, other.memory, strict=True):
            mine.put_(places, theirs)

    @classmethod
    def concat(cls, states: Sequence[Beam]) -> Beam:
        """The streams of several beams, one after the other."""
        memories = zip(*(beam.memory for beam in states), strict=True)
        return _joined(states, 0, [PredictorState.concat(memory) for memory in memories])

    @classmethod
    def side_by_side(cls, beams: Sequence[Beam]) -> Beam:
        """Several beams of the same streams: the hypotheses of all."""
        memories, B = zip(*(beam.memory for beam in beams), strict=True), beams[0].scores.size(0)
        return _joined(beams, 1, [PredictorState.side_by_side(memory, B) for memory in memories])

    def places(self, rows: Tensor) -> Tensor:
        """Places of the hypotheses of some streams among all B * K."""
        K = self.scores.size(1)
        return (rows[:, None] * K + torch.arange(K, device=rows.device)).flatten()


def _joined(beams: Sequence[Beam], axis: int, memory: Sequence[PredictorState]) -> Beam:
    return Beam(
        torch.cat([beam.marks for beam in beams], dim=axis + 1),
        torch.cat([beam.scores for beam in beams], dim=axis),
        torch.cat([beam.projected for beam in beams], dim=axis),
        torch.cat([beam.pace for beam in beams], dim=axis),
        tuple(memory),
    )


@dataclass
class BeamState(TransducerState):
    """State of a beam search.

    Attributes:
        beam: the hypotheses.
        pending: what each hypothesis holds beyond `given`, K lists a stream.
    """

    beam: Beam
    pending: list[list[list[Emission]]]


class Tree:
    """Labels written in a step, each with the place of the one before; the first B * K places are the roots."""

    def __init__(self, roots: int) -> None:
        self.roots, self.size = roots, roots
        self._parts: list[Tensor] = []

    def add(self, parents: Tensor, labels: Tensor, frames: Tensor, logps: Tensor) -> Tensor:
        """Write (B, K) labels; returns their places."""
        columns = (parents.double(), labels.double(), frames[:, None].expand_as(labels).double(), logps.double())
        self._parts.append(torch.stack(columns).flatten(1))
        places = torch.arange(self.size, self.size + labels.numel(), device=labels.device)
        self.size += labels.numel()
        return places.view_as(labels)

    def paths(self, places: Tensor) -> list[list[tuple[int, list[Emission]]]]:
        """For every place, (B, K), its root and the emissions from there."""
        columns = torch.cat(self._parts, dim=1).tolist() if self._parts else [[]] * 4
        parents = [int(parent) for parent in columns[0]]
        made: dict[int, Emission] = {}  # hypotheses share most of their path

        def path(place: int) -> tuple[int, list[Emission]]:
            emissions = []
            while place >= self.roots:
                i = place - self.roots
                emission = made.get(i)
                if emission is None:
                    emission = made[i] = Emission(int(columns[1][i]), int(columns[2][i]), columns[3][i])
                emissions.append(emission)
                place = parents[i]
            return place, emissions[::-1]

        return [[path(place) for place in row] for row in places.tolist()]
