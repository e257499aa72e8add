"""What a metric is: statistics of each utterance whose sums are scored, and all that tables must know of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.shown import with_interval
from espnet_jst.evaluation.significance import UNLIMITED, interval
from espnet_jst.text.lanes import Lane

Decoded = Mapping[str, DecodedUtterance]


class Statistics(NamedTuple):
    """What each utterance adds to a metric: the rows of any set of utterances, summed, give the score of that set.

    Attributes:
        rows: (N, S); column 1 is what the score divides by, as in `compare_systems`.
        score: of a sum, (S,) -> float.
        details: what scores.json says of all utterances besides the score.
    """

    rows: np.ndarray
    score: Callable[[np.ndarray], float]
    details: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one lane.

    Attributes:
        low, high: 95 % interval, NaN where it is not defined; None where none was asked for.
        espnet: what ESPnet's result file says (`Metric.espnet_text`).
    """

    name: str
    score: float
    low: float | None = None
    high: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    espnet: str = ""

    def entry(self) -> dict[str, Any]:
        """What scores.json holds of it."""
        bounds = {} if self.low is None else {"low": self.low, "high": self.high}
        return {"score": self.score, **bounds, **self.details}


class Metric(ABC):
    """A metric is one class, and its line in `METRICS`: all scores, tables, pictures and tests read what it says.

    Attributes:
        name: in scores.json and in tables.
        meaning: for the reader of a table, without a full stop; metrics of one meaning are explained together.
        limits: least and largest value.
        unit: "%", "ms", or empty.
        source: whether it is for lanes of what was spoken (True), for translations (False), or for both (None). A
            metric of texts stands in scores.json for every lane all the same.
        timed: whether it needs the times of the words. Such a metric is for comparisons: of one system scores.json has
            all that `corpus_latency` gives.
        ranks: whether the score of a single utterance says which ones are the worst.
    """

    name: str
    meaning: str
    up: bool
    limits: tuple[float, float] = UNLIMITED
    unit: str = ""
    digits: int = 2
    source: bool | None = None
    timed: bool = False
    ranks: bool = False

    @abstractmethod
    def statistics(self, texts: LaneTexts, decoded: Decoded | None = None) -> Statistics:
        """Statistics of each utterance of a lane, in the order of `texts.keys`.

        Args:
            decoded: the words with their times; given where the metric is `timed`.
        """

    def score(self, texts: LaneTexts, *, n_bootstrap: int = 0, seed: int = 12345) -> Score:
        """The score of a lane, with its 95 % interval where `n_bootstrap` resamples are asked for."""
        found = self.statistics(texts)
        low, high = self.interval(found, n_bootstrap, seed) if n_bootstrap else (None, None)
        value = found.score(found.rows.sum(axis=0))
        return Score(name=self.name, score=value, low=low, high=high, details=found.details)

    def interval(self, found: Statistics, n_bootstrap: int, seed: int) -> tuple[float, float]:
        """95 % interval, NaN where it is not defined."""
        return interval(found.rows, found.score, limits=self.limits, n_bootstrap=n_bootstrap, seed=seed)

    def suits(self, lane: Lane) -> bool:
        """Whether the metric stands in the tables of a lane."""
        return self.source is None or self.source == lane.source

    def columns(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """Heading -> cell of the metric's own table in RESULTS.md, from its entry in scores.json."""
        return {"score": with_interval(entry, self.digits)}

    def espnet_file(self, case: str) -> str:
        """The result file that ESPnet's own scripts look for, which metrics may share; empty: none.

        Args:
            case: part of the reference files' names.
        """
        return ""

    def espnet_text(self, scores: Sequence[Score], case: str) -> str:
        """What that file holds, given the scores of all metrics that share it."""
        raise NotImplementedError(f"{self.name} names a file of ESPnet and does not write it")


def rate(sums: np.ndarray) -> float:
    """Ratio of two sums, such as errors and words; NaN where there is nothing to divide by."""
    return float(sums[0] / sums[1]) if sums[1] else math.nan
