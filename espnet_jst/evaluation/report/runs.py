"""What the report shows of one decode directory, and which of its utterances."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from espnet_jst.data import kaldi
from espnet_jst.errors import DataError
from espnet_jst.evaluation.compare import Column
from espnet_jst.evaluation.files import DecodedUtterance, read_words
from espnet_jst.evaluation.lanes import LaneTexts, load_lane, scored_lane
from espnet_jst.evaluation.metrics import METRICS
from espnet_jst.evaluation.results import find_scores, short_names
from espnet_jst.text.align.pharaoh import read_pharaoh
from espnet_jst.text.links import Link

PERFECT = 0.01  # so near to the best value there is no flaw


@dataclass(frozen=True)
class DecodedSet:
    """One decode directory with its references.

    Attributes:
        name: what the page calls it (`results.short_names`).
        lanes: texts of the lanes; empty where the references are not there.
        decoded: words with times; empty where the decoder wrote no words.jsonl.
        links: word alignment of the references by utterance, where the data directory has one.
        notes: what could not be shown, and why.
        folder: path below the experiment, <inference tag>/<set>.
    """

    name: str
    scores: Mapping[str, Any]
    lanes: Sequence[LaneTexts] = ()
    decoded: Mapping[str, DecodedUtterance] = field(default_factory=dict)
    links: Mapping[str, set[Link]] = field(default_factory=dict)
    audio: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    folder: str = ""


def load_sets(exp_dir: Path, data_dir: Path) -> list[DecodedSet]:
    """Everything that was scored below `exp_dir`; references, alignment and audio are read from <data_dir>/<set>.

    Raises:
        DataError: nothing was scored, or scores.json or words.jsonl is damaged.
    """
    found = find_scores(exp_dir)
    paths = {
        folder: folder.relative_to(exp_dir).as_posix() if folder != exp_dir else folder.resolve().name
        for folder in found
    }
    short = short_names(paths.values())
    return [
        replace(_load(data_dir, folder, scores, short[paths[folder]]), folder=paths[folder])
        for folder, scores in found.items()
    ]


def _load(data_dir: Path, folder: Path, scores: Mapping[str, Any], name: str) -> DecodedSet:
    reference, notes = data_dir / scores["references"], []
    lanes: list[LaneTexts] = []
    lowercase = str(scores["case"]).startswith("lc")
    try:
        for lane, entry in scores["lanes"].items():
            own = {"lane": scored_lane(lane, entry), "language": entry["language"], "lowercase": lowercase}
            lanes.append(load_lane(folder, reference / entry["reference"], **own))
    except DataError as error:
        return DecodedSet(name, scores, notes=[f"utterances are not shown: {error}"])
    decoded = read_words(folder / "words.jsonl") if (folder / "words.jsonl").exists() else {}
    if not decoded:
        notes.append("no times: the decoder wrote no words.jsonl")
    # A corpus may know the true alignment of its test sets, where stage 5 aligns the training sets only.
    aligned = next((path for path in (reference / "alignment", reference / "alignment.ref") if path.exists()), None)
    links = read_pharaoh(aligned) if aligned else {}
    wav = reference / "wav.scp"
    return DecodedSet(name, scores, lanes, decoded, links, kaldi.read_table(wav) if wav.exists() else {}, notes)


@dataclass
class Utterance:
    """An utterance with the measures that tell the worst ones, where they are defined."""

    key: str
    chosen: list[str] = field(default_factory=list)
    scores: dict[Column, float] = field(default_factory=dict)


def measures(decoded_set: DecodedSet) -> list[Column]:
    """What tells the worst utterances of a set: quality of every lane, then latency."""
    columns = [Column(metric, texts.lane) for texts in decoded_set.lanes for metric in METRICS.values()]
    ranking = (column for column in columns if column.metric.ranks and column.metric.suits(column.lane))
    return sorted(ranking, key=lambda column: column.metric.timed)


def measure(decoded_set: DecodedSet) -> list[Utterance]:
    """Every utterance of a set with its measures, in the order of the references."""
    lanes = {texts.lane: texts for texts in decoded_set.lanes}
    found = {key: Utterance(key) for texts in decoded_set.lanes for key in texts.keys}
    for column in measures(decoded_set):
        texts = lanes[column.lane]
        rows, score, _ = column.metric.statistics(texts, decoded_set.decoded)
        # What was written where nothing should be is as bad as if there had been one word.
        rows[rows.any(axis=1), 1] = rows[rows.any(axis=1), 1].clip(min=1.0)
        for key, row in zip(texts.keys, rows, strict=True):
            value = score(row)
            if not math.isnan(value):
                found[key].scores[column] = value
    return list(found.values())


def choose(decoded_set: DecodedSet, utterances: Sequence[Utterance], worst: int) -> list[Utterance]:
    """The utterances to show, each once with the reasons: the one with most words, and the worst by each measure.

    Args:
        worst: how many for each measure; those without an error are no worst ones.
    """
    lengths: Counter[str] = Counter()
    for texts in decoded_set.lanes:
        lengths.update({key: len(texts.units(text)) for key, text in zip(texts.keys, texts.references, strict=True)})
    chosen: dict[str, Utterance] = {}

    def take(reason: str, ranked: Sequence[Utterance]) -> None:
        for rank, utterance in enumerate(ranked, 1):
            utterance.chosen.append(f"{reason} {rank}" if len(ranked) > 1 else reason)
            chosen.setdefault(utterance.key, utterance)

    take("longest", sorted(utterances, key=lambda u: -lengths[u.key])[:1])
    for column in measures(decoded_set):
        metric = column.metric
        best, sign = (metric.limits[1], 1.0) if metric.up else (metric.limits[0], -1.0)
        flawed = [u for u in utterances if column in u.scores and abs(u.scores[column] - best) > PERFECT]
        take(column.name, sorted(flawed, key=lambda u: sign * u.scores[column])[:worst])
    return list(chosen.values())
