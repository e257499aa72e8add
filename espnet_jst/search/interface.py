"""What the decoder asks of a search: label sequences of a batch of streams, from the taps of its heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from espnet_jst.streams import RowState
from espnet_jst.taps import Tap


class Emission(NamedTuple):
    """A label, the frame in which it was written, and its log-probability."""

    token: int
    frame: int
    logp: float


@dataclass(frozen=True)
class Hypothesis:
    """A label sequence of a whole stream, and its log-probability: that of its labels, or of all its paths."""

    emissions: list[Emission]
    score: float


@dataclass
class SearchState(RowState):
    """What every search carries.

    Attributes:
        given: emissions that `step` has given out, a list a stream.
    """

    given: list[list[Emission]]


S = TypeVar("S", bound=SearchState)


class Search(ABC, Generic[S]):
    """Reads taps frame by frame and writes labels. The streams of a batch are independent and of any age.

    Attributes:
        reads: the tap in whose frames emissions are counted.
    """

    reads: str

    @property
    def taps(self) -> frozenset[str]:
        """All taps that `step` needs."""
        return frozenset({self.reads})

    @abstractmethod
    def init_state(self, batch_size: int) -> S:
        """State before the first frame."""

    @abstractmethod
    def step(self, taps: Mapping[str, Tap], state: S) -> tuple[list[list[Emission]], S]:
        """Further frames of the taps that it reads -> the emissions of each stream that are certain, and the state.

        A stream whose length is 0 stands still.

        Raises:
            DataError: a stream has no hypothesis; `index` is its place in the batch.
        """

    @abstractmethod
    def finish(self, state: S, first: Sequence[Sequence[Hypothesis]] | None = None) -> list[list[Hypothesis]]:
        """Nothing follows -> the n-best list of each stream, best first; it begins with what `step` has given out.

        Args:
            state: of these streams.
            first: what the search found that this one is the second pass of, for one that chooses among it.

        Raises:
            DataError: as `step`.
        """
