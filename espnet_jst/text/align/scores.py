"""Quality of an alignment against gold links."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from espnet_jst.errors import DataError
from espnet_jst.text.links import Link


@dataclass(frozen=True)
class AlignmentScore:
    """Corpus totals; all gold links count as sure.

    Attributes:
        links: links found.
        gold: gold links.
        correct: links in both.
    """

    links: int
    gold: int
    correct: int

    @property
    def aer(self) -> float:
        """Alignment error rate (Och and Ney 2003), 0 is perfect; 0 where neither side has a link."""
        total = self.links + self.gold
        return 1 - 2 * self.correct / total if total else 0.0

    @property
    def precision(self) -> float:
        """Share of the links found that are gold."""
        return self.correct / self.links if self.links else 1.0

    @property
    def recall(self) -> float:
        """Share of the gold links that were found."""
        return self.correct / self.gold if self.gold else 1.0


def alignment_score(hypotheses: Sequence[Collection[Link]], references: Sequence[Collection[Link]]) -> AlignmentScore:
    """Compare alignments sentence by sentence.

    Raises:
        DataError: the two have different lengths.
    """
    if len(hypotheses) != len(references):
        raise DataError(f"{len(hypotheses)} alignments and {len(references)} gold alignments: give one for each")
    correct = sum(len(set(h) & set(r)) for h, r in zip(hypotheses, references))
    return AlignmentScore(sum(map(len, map(set, hypotheses))), sum(map(len, map(set, references))), correct)


def aer(hypotheses: Sequence[Collection[Link]], references: Sequence[Collection[Link]]) -> float:
    """Alignment error rate over a corpus, in [0, 1]; see `AlignmentScore`."""
    return alignment_score(hypotheses, references).aer
