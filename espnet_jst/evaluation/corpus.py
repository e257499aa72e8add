"""Latency of one lane over a test set, with counts of what a mean leaves out; and gaps between the lanes."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from espnet_jst.errors import DataError
from espnet_jst.evaluation.latency import METRICS, latency_metrics, percentile
from espnet_jst.text.links import Link


@dataclass(frozen=True, kw_only=True)
class TimedHypothesis:
    """What latency needs to know of one utterance in one lane; times in ms from the start of the audio.

    Attributes:
        delays_ms: audio heard when each word was shown, (|Y|,).
        wall_clock_ms: the same delays with computation (`wall_clock_delays`), (|Y|,), where it was measured.
        compute_ms: processing time of the whole utterance, where it was measured.
        speech_start_ms: where speech begins, for the first-token latency.
    """

    delays_ms: Sequence[float]
    source_ms: float
    reference_length: int
    wall_clock_ms: Sequence[float] | None = None
    compute_ms: float | None = None
    speech_start_ms: float = 0.0


def corpus_latency(items: Sequence[TimedHypothesis]) -> dict:
    """Latency of one lane over a test set.

    Returns:
        `utterances`, `empty` (nothing was written); the means AL, LAAL, DAL, YAAL, AP and their computation-aware
        variants `*_CA` where every utterance was measured; `skipped`: for each mean, the utterances that it leaves out
        because the value is not defined; StartOffset (mean delay of the first word), FTL and LTL (first-token latency
        from the start of speech, last-token latency from the end of the audio) as `*_P50` and `*_P90`, in ms;
        `length_ratio` (words written / reference words) and `RTF` (processing time / audio).

    Raises:
        DataError: there are no utterances.
    """
    if not items:
        raise DataError("no utterance to measure latency on; check that the decode directory has words.jsonl")
    written = sum(len(item.delays_ms) for item in items)
    expected = sum(item.reference_length for item in items)
    result: dict = {
        "utterances": len(items),
        "empty": sum(not item.delays_ms for item in items),
        "skipped": {},
        "length_ratio": written / expected if expected else math.nan,
    }
    _add_means(result, items, "", lambda item: item.delays_ms)
    _add_ends(result, items, "", lambda item: item.delays_ms)
    if all(item.wall_clock_ms is not None for item in items):
        _add_means(result, items, "_CA", lambda item: item.wall_clock_ms or ())
        _add_ends(result, items, "_CA", lambda item: item.wall_clock_ms or ())
    measured = [(item.compute_ms, item.source_ms) for item in items if item.compute_ms is not None]
    result["RTF"] = sum(c for c, _ in measured) / sum(s for _, s in measured) if measured else math.nan
    return result


Delays = Callable[[TimedHypothesis], Sequence[float]]


def _add_means(result: dict, items: Sequence[TimedHypothesis], suffix: str, delays: Delays) -> None:
    rows = [latency_metrics(delays(item), item.source_ms, item.reference_length) for item in items]
    for name in METRICS:
        values = [row[name] for row in rows if not math.isnan(row[name])]
        result[name + suffix] = sum(values) / len(values) if values else math.nan
        result["skipped"][name + suffix] = len(rows) - len(values)


def _add_ends(result: dict, items: Sequence[TimedHypothesis], suffix: str, delays: Delays) -> None:
    spoken = [item for item in items if delays(item)]
    firsts = [delays(item)[0] for item in spoken]
    starts = [item.speech_start_ms for item in spoken]
    lasts = [delays(item)[-1] - item.source_ms for item in spoken]
    result["StartOffset" + suffix] = sum(firsts) / len(firsts) if firsts else math.nan
    for percent in (50, 90):
        waits = [first - start for first, start in zip(firsts, starts, strict=True)]
        result[f"FTL{suffix}_P{percent}"] = percentile(waits, percent)
        result[f"LTL{suffix}_P{percent}"] = percentile(lasts, percent)


def lane_gaps(
    links: Collection[Link],
    source_emissions: Mapping[int, float],
    target_emissions: Mapping[int, float],
) -> list[float]:
    """How long after its transcript each translated word appears.

    Args:
        links: word alignment of the references, (source index, target index).
        source_emissions: emission of the reference words that the transcript got right, by reference index.
        target_emissions: the same of the translation.

    Returns:
        For each target word found with all its source words found: its emission minus their latest one.
    """
    sources: dict[int, list[int]] = {}
    for i, j in links:
        sources.setdefault(j, []).append(i)
    return [
        target_emissions[j] - max(source_emissions[i] for i in found)
        for j, found in sorted(sources.items())
        if j in target_emissions and all(i in source_emissions for i in found)
    ]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Mean, P50, P90 and the number of values."""
    mean = sum(values) / len(values) if values else math.nan
    return {"mean": mean, "P50": percentile(values, 50), "P90": percentile(values, 90), "words": len(values)}
