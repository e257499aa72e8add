"""What a beam search carries: hypotheses as tensors, the tree of the labels written, the state of its streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_jst.heads.predictor import PredictorState
from espnet_jst.search.greedy import Emission


@dataclass(frozen=True)
class Hypothesis:
    """One entry of an n-best list: its emissions and the logarithm of the summed probability of its paths."""

    emissions: list[Emission]
    score: float


@dataclass
class Beam:
    """K hypotheses for each of B streams, as tensors.

    Attributes:
        marks: for each hypothesis the place of its last label in the tree of this step's labels, the number of its
            labels, a hash of them, and the lane that it is in, (4, B, K).
        scores: log-probability, (B, K); -inf marks an unused place.
        projected: predictor output projected for the joint network, (B, K, J).
        memory: states of the predictor and of the scorers, each (B * K, ...).
    """

    marks: Tensor
    scores: Tensor
    projected: Tensor
    memory: tuple[PredictorState, ...]

    def clone(self) -> Beam:
        """A copy that `put_` may change."""
        memory = tuple(state.clone() for state in self.memory)
        return Beam(self.marks.clone(), self.scores.clone(), self.projected.clone(), memory)

    def choose(self, index: Tensor) -> Beam:
        """The hypotheses `index` (B, N) of each stream."""
        B, K = self.scores.shape
        flat = (index + torch.arange(0, B * K, K, device=index.device)[:, None]).flatten()
        return Beam(
            self.marks.flatten(1)[:, flat].view(-1, *index.shape),
            self.scores.gather(1, index),
            self.projected.flatten(0, 1)[flat].view(*index.shape, -1),
            tuple(state.select(flat) for state in self.memory),
        )

    def select(self, rows: Tensor) -> Beam:
        """The streams `rows` (N,)."""
        places = self.places(rows)
        memory = tuple(state.select(places) for state in self.memory)
        return Beam(self.marks[:, rows], self.scores[rows], self.projected[rows], memory)

    def put_(self, rows: Tensor, other: Beam) -> None:
        """Replace the streams `rows` (N,) by those of `other`."""
        self.marks.index_copy_(1, rows, other.marks)
        self.scores.index_copy_(0, rows, other.scores)
        self.projected.index_copy_(0, rows, other.projected)
        places = self.places(rows)
        for mine, theirs in zip(self.memory, other.memory, strict=True):
            mine.put_(places, theirs)

    @staticmethod
    def concat(beams: Sequence[Beam], *, streams: bool) -> Beam:
        """Several beams in one: the streams of all, or, of the same streams, the hypotheses of all."""
        axis = 0 if streams else 1
        B = beams[0].scores.size(0)
        memory = []
        for states in zip(*(beam.memory for beam in beams), strict=True):
            joined = PredictorState.concat(states) if streams else PredictorState.side_by_side(states, B)
            memory.append(joined)
        return Beam(
            torch.cat([beam.marks for beam in beams], dim=axis + 1),
            torch.cat([beam.scores for beam in beams], dim=axis),
            torch.cat([beam.projected for beam in beams], dim=axis),
            tuple(memory),
        )

    def places(self, rows: Tensor) -> Tensor:
        """Places of the hypotheses of some streams among all B * K."""
        K = self.scores.size(1)
        return (rows[:, None] * K + torch.arange(K, device=rows.device)).flatten()


@dataclass
class BeamState:
    """State between two steps.

    Attributes:
        beam: the hypotheses.
        frames: frames seen, (B,).
        given: emissions that `step` has given out, a list a stream.
        pending: what each hypothesis holds beyond them, K lists a stream.
    """

    beam: Beam
    frames: Tensor
    given: list[list[Emission]]
    pending: list[list[list[Emission]]]

    def select(self, index: Tensor) -> BeamState:
        """The streams `index`, in that order."""
        order = index.tolist()
        given, pending = ([list(values[b]) for b in order] for values in (self.given, self.pending))
        return BeamState(self.beam.select(index), self.frames[index], given, pending)

    @staticmethod
    def concat(states: Sequence[BeamState]) -> BeamState:
        """Streams of several batches in one."""
        beam = Beam.concat([state.beam for state in states], streams=True)
        frames = torch.cat([state.frames for state in states])
        given, pending = ([row for state in states for row in getattr(state, name)] for name in ("given", "pending"))
        return BeamState(beam, frames, given, pending)


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
