"""Systems against each other on one test set: every metric of their lanes, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Unpack

from espnet_jst.config import finite
from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import DIGITS, read_words
from espnet_jst.evaluation.lanes import Reading, load_lanes
from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.evaluation.metrics.base import Metric, Statistics
from espnet_jst.evaluation.significance import SystemScore, compare_systems
from espnet_jst.evaluation.speakers.scores import compare_speakers
from espnet_jst.text.lanes import LANES, Lane, in_order


class Column(NamedTuple):
    """One metric of one lane."""

    metric: Metric
    lane: Lane

    @property
    def name(self) -> str:
        """That of the metric, and the lane where that does not say which."""
        alone = self.metric.source is not None and self.lane.name in LANES
        return self.metric.name if alone else f"{self.metric.name} {self.lane.name}"

    @property
    def title(self) -> str:
        """The name in the table of a comparison."""
        return self.name if self.metric.unit in ("", "%") else f"{self.name}, {self.metric.unit}"


Run = Mapping[Column, Statistics]  # what one training reached on a test set
Scores = Mapping[Column, Mapping[str, SystemScore]]  # of each system


def run_statistics(hyp_dir: Path, ref_dir: Path, *, timed: bool, **reading: Unpack[Reading]) -> Run:
    """Statistics of every metric of the lanes of a decode directory.

    Args:
        timed: whether words.jsonl has times that mean something: the set was decoded chunk by chunk.

    Raises:
        DataError: a file is missing or damaged, or keys do not fit.
    """
    decoded = read_words(hyp_dir / "words.jsonl") if timed else None
    return {
        Column(metric, texts.lane): metric.statistics(texts, decoded)
        for texts in load_lanes(hyp_dir, ref_dir, **reading)
        for metric in METRICS.values()
        if metric.suits(texts.lane) and (timed or not metric.timed)
    }


def compare_runs(
    systems: Mapping[str, Sequence[Run]], *, baseline: str, n_bootstrap: int = 1000, seed: int = 12345
) -> Scores:
    """Scores of all systems, lane by lane.

    Args:
        baseline: the system that the others are tested against; where it lacks a lane, the first that has it.

    Raises:
        DataError: no utterance, or systems with different utterances.
    """
    there = dict.fromkeys(column for runs in systems.values() for run in runs for column in run)
    lanes = in_order(column.lane.name for column in there)
    table = {}
    for column in sorted(there, key=lambda c: (lanes.index(c.lane.name), list(METRICS).index(c.metric.name))):
        having = {name: [run[column] for run in runs if column in run] for name, runs in systems.items()}
        found = {name: statistics for name, statistics in having.items() if statistics}
        table[column] = compare_systems(
            {name: [rows for rows, *_ in statistics] for name, statistics in found.items()},
            next(iter(found.values()))[0].score,
            baseline=baseline if baseline in found else next(iter(found)),
            limits=column.metric.limits,
            n_bootstrap=n_bootstrap,
            seed=seed,
        )
    return table


def compare_directories(
    first_dir: Path | str,
    second_dir: Path | str,
    ref_dir: Path | str,
    *,
    n_bootstrap: int = 1000,
    seed: int = 12345,
    **reading: Unpack[Reading],
) -> dict:
    """Paired bootstrap tests of two systems decoded on the same set.

    Returns:
        lane -> metric -> {first, second, p_value, low, high} of the lanes that both have, latency where words.jsonl is
        there, and there those of speakers as well if the references name them. `low` and `high` bound `second - first`.
        What is not defined is None.

    Raises:
        DataError: a file is missing or damaged, keys do not fit, or the directories have no lane in common.
    """
    folders = {"first": Path(first_dir), "second": Path(second_dir)}
    timed = all((folder / "words.jsonl").exists() for folder in folders.values())
    runs = {name: run_statistics(folder, Path(ref_dir), timed=timed, **reading) for name, folder in folders.items()}
    shared = [column for column in runs["first"] if column in runs["second"]]
    if not shared:
        raise DataError(f"{first_dir} and {second_dir} have no lane in common; compare systems that share one")
    systems = {name: [{column: run[column] for column in shared}] for name, run in runs.items()}
    result: dict = {}
    for column, found in compare_runs(systems, baseline="first", n_bootstrap=n_bootstrap, seed=seed).items():
        result.setdefault(column.lane.name, {})[column.metric.name] = _row(found)
    if timed:
        tested = compare_speakers(folders, Path(ref_dir), n_bootstrap=n_bootstrap, seed=seed, **reading)
        for lane, rows in tested.items():
            result[lane].update({name: _row(scores) for name, scores in rows.items()})
    return finite(result, DIGITS)


def _row(found: Mapping[str, SystemScore]) -> dict[str, float]:
    first, second = found["first"], found["second"]
    return {
        "first": first.mean,
        "second": second.mean,
        "p_value": second.p_value,
        "low": second.difference_low,
        "high": second.difference_high,
    }
