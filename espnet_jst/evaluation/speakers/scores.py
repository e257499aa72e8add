"""The metrics of speakers, their scores of a lane with intervals over sessions, and paired tests of two systems."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from espnet_jst.evaluation.files import DecodedUtterance, read_words
from espnet_jst.evaluation.lanes import LaneTexts, Reading, load_lanes
from espnet_jst.evaluation.metrics.base import Score, Statistics
from espnet_jst.evaluation.significance import SystemScore, compare_systems, interval
from espnet_jst.evaluation.small_samples import are_few, interval_method
from espnet_jst.evaluation.speakers.attribution import accuracy, right_at_best, right_by_name
from espnet_jst.evaluation.speakers.bleu import agnostic, attributed
from espnet_jst.evaluation.speakers.error_rates import (
    COLLAR_S,
    MOST_SPEAKERS,
    counted,
    cp_errors,
    has_meeteval,
    orc_errors,
    tcp_errors,
)
from espnet_jst.evaluation.speakers.segments import segments_name
from espnet_jst.evaluation.speakers.sessions import SpeakerTexts, load_speakers
from espnet_jst.text.lanes import Lane

GET_MEETEVAL = "pip install 'espnet_jst[multispk]'"


@dataclass(frozen=True, kw_only=True)
class SpeakerMetric:
    """A metric of sessions with several speakers.

    Attributes:
        meaning: for the reader of a table, without a full stop.
        statistics: of each session, in the order of the references (`metrics.base.Statistics`).
        limits: least and largest value.
        source: for lanes of what was spoken (True), for translations (False), or for both (None).
        by_meeteval: whether it is left out where meeteval is not installed.
    """

    name: str
    meaning: str
    statistics: Callable[[SpeakerTexts], Statistics]
    limits: tuple[float, float]
    source: bool | None
    by_meeteval: bool = False

    def suits(self, lane: Lane) -> bool:
        """Whether it is for a lane."""
        return self.source is None or self.source == lane.source

    def score(self, speakers: SpeakerTexts, *, n_bootstrap: int, seed: int) -> Score:
        """The score, with its 95 % interval over sessions where `n_bootstrap` resamples are asked for."""
        rows, score, details = self.statistics(speakers)
        low, high = (
            interval(rows, score, limits=self.limits, n_bootstrap=n_bootstrap, seed=seed)
            if n_bootstrap
            else (None, None)
        )
        return Score(name=self.name, score=score(rows.sum(axis=0)), low=low, high=high, details=details)


def _error_rate(name: str, errors: Callable, signature: str, meaning: str) -> SpeakerMetric:
    return SpeakerMetric(
        name=name,
        meaning=meaning,
        statistics=counted(errors, signature),
        limits=(0.0, math.inf),
        source=True,
        by_meeteval="meeteval" in signature,
    )


SPEAKER_METRICS: tuple[SpeakerMetric, ...] = (
    _error_rate(
        "cpWER", cp_errors, "by:espnet_jst", "errors in percent, each speaker's words joined, speakers paired at best"
    ),
    _error_rate(
        "ORC-WER", orc_errors, "by:meeteval", "errors in percent, each segment with the speaker that suits it best"
    ),
    _error_rate(
        "tcpWER",
        tcp_errors,
        f"by:meeteval|collar:{COLLAR_S:g}",
        f"cpWER where words pair only within {COLLAR_S:g} s of each other",
    ),
    SpeakerMetric(
        name="SAgBLEU",
        meaning="BLEU with one text a session, speakers ignored",
        statistics=agnostic,
        limits=(0.0, 100.0),
        source=False,
    ),
    SpeakerMetric(
        name="SAtBLEU",
        meaning="BLEU with one text a speaker and session, speakers paired at best",
        statistics=attributed,
        limits=(0.0, 100.0),
        source=False,
    ),
    SpeakerMetric(
        name="attribution",
        meaning="aligned words with the speaker of the reference's name, in percent",
        statistics=accuracy(right_by_name),
        limits=(0.0, 100.0),
        source=None,
    ),
    SpeakerMetric(
        name="attribution, renamed",
        meaning="the same with the speakers of each session renamed at best",
        statistics=accuracy(right_at_best),
        limits=(0.0, 100.0),
        source=None,
    ),
)


def usable_metrics(speakers: SpeakerTexts) -> tuple[list[SpeakerMetric], list[str]]:
    """The metrics of a lane that can be computed, and why others are left out."""
    suiting = [metric for metric in SPEAKER_METRICS if metric.suits(speakers.texts.lane)]
    borrowed = [metric.name for metric in suiting if metric.by_meeteval]
    reason = ""
    if borrowed and not has_meeteval():
        reason = f"meeteval is not installed: {GET_MEETEVAL}"
    elif borrowed and speakers.most_speakers() > MOST_SPEAKERS:
        reason = f"a session has {speakers.most_speakers()} speakers, meeteval takes {MOST_SPEAKERS}"
    if not reason:
        return suiting, []
    note = f"{speakers.texts.name}, speakers: without {' and '.join(borrowed)}; {reason}"
    return [metric for metric in suiting if not metric.by_meeteval], [note]


def speaker_entry(
    texts: LaneTexts,
    decoded: Mapping[str, DecodedUtterance] | None,
    ref_dir: Path,
    *,
    n_bootstrap: int,
    seed: int,
) -> dict[str, Any]:
    """What scores.json has of the speakers of a lane: {"speakers": ...}, or nothing where the references name none.

    Raises:
        DataError: the references cannot be read, or are those of another set.
    """
    file = segments_name(texts.lane, texts.reference_file)
    if not (ref_dir / file).exists():
        return {}
    if decoded is None:
        notes = [f"{texts.name}: {file} is not scored: there is no words.jsonl, which names speakers"]
        return {"speakers": {"reference": file, "notes": notes, "scores": {}}}
    speakers = load_speakers(texts, decoded, ref_dir)
    metrics, notes = usable_metrics(speakers)
    scores = {m.name: m.score(speakers, n_bootstrap=n_bootstrap, seed=seed).entry() for m in metrics}
    said = [" ".join(segment.words for segment in session.segments) for session in speakers.sessions]
    return {
        "speakers": {
            "reference": file,
            "notes": [*speakers.notes(), *notes],
            "sessions": len(speakers.sessions),
            "missing_sessions": list(speakers.missing),
            "sessions_without_reference": list(speakers.unknown),
            "words_without_speaker": sum(speakers.nameless().values()),
            "interval_method": interval_method(are_few(said)),
            "scores": scores,
        }
    }


def compare_speakers(
    folders: Mapping[str, Path], ref_dir: Path, *, n_bootstrap: int, seed: int, **reading: Unpack[Reading]
) -> dict[str, dict[str, dict[str, SystemScore]]]:
    """Lane -> metric -> score of each system, tested over sessions against the first; lanes that all have.

    Args:
        folders: decode directories of the same set by name, each with words.jsonl.

    Raises:
        DataError: a file is missing or damaged, or keys do not fit.
    """
    lanes: dict[str, dict[str, SpeakerTexts]] = {}
    for name, folder in folders.items():
        decoded = read_words(folder / "words.jsonl")
        for texts in load_lanes(folder, ref_dir, **reading):
            if (ref_dir / segments_name(texts.lane, texts.reference_file)).exists():
                lanes.setdefault(texts.name, {})[name] = load_speakers(texts, decoded, ref_dir)
    result: dict[str, dict[str, dict[str, SystemScore]]] = {}
    for lane, systems in lanes.items():
        if len(systems) < len(folders):
            continue
        usable = [usable_metrics(speakers)[0] for speakers in systems.values()]
        for metric in (metric for metric in usable[0] if all(metric in others for others in usable)):
            found = {name: metric.statistics(speakers) for name, speakers in systems.items()}
            result.setdefault(lane, {})[metric.name] = compare_systems(
                {name: [statistics.rows] for name, statistics in found.items()},
                next(iter(found.values())).score,
                baseline=next(iter(found)),
                limits=metric.limits,
                n_bootstrap=n_bootstrap,
                seed=seed,
            )
    return result
