"""Unsegmented recordings: quality over reference segments, and LongYAAL (arXiv:2509.17349), in ms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.evaluation.lane_latency import heard_chunks, heard_s
from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.latency import wall_clock_delays
from espnet_jst.evaluation.metrics import headline
from espnet_jst.evaluation.resegmentation import places_of
from espnet_jst.evaluation.speakers.segments import Segment, read_segments, segments_name
from espnet_jst.text.words import Word, join_words


def long_yaal(delays_ms: Sequence[float], source_ms: float, end_ms: float, reference_length: int) -> float:
    """Lag of the words of a segment behind an ideal writer, up to the first one shown after the recording's end.

    Args:
        delays_ms: of each word from the start of the segment, in ms; may be negative.
        source_ms: duration of the segment.
        end_ms: end of the recording from the start of the segment.
        reference_length: words of the reference.

    Returns:
        Mean in ms; NaN where nothing was written before the recording's end, or the segment has no duration.
    """
    counted = next((i for i, delay in enumerate(delays_ms) if delay >= end_ms), len(delays_ms))
    if not counted or source_ms <= 0:
        return math.nan
    step_ms = source_ms / max(len(delays_ms), reference_length)
    return fmean(delay - i * step_ms for i, delay in enumerate(delays_ms[:counted]))


def long_form_entry(
    texts: LaneTexts, decoded: Mapping[str, DecodedUtterance] | None, ref_dir: Path, *, n_bootstrap: int, seed: int
) -> dict[str, Any]:
    """What scores.json has of a lane whose references are segments of recordings: {"long_form": ...}, or nothing.

    A set has it where the recordings of its references have several segments, and words.jsonl is there.

    Raises:
        DataError: the segments cannot be read.
    """
    path = ref_dir / segments_name(texts.lane, texts.reference_file)
    if decoded is None or not path.exists():
        return {}
    recordings = {key: said for key, said in read_segments(path).items() if key in decoded}
    if sum(map(len, recordings.values())) <= len(recordings):
        return {}
    references: list[str] = []
    hypotheses: list[str] = []
    lags: dict[str, list[float]] = {"LongYAAL": [], "LongYAAL_CA": []}
    for key, segments in recordings.items():
        for segment, words, own in _cut(texts, decoded[key], segments):
            references.append(segment.words)
            hypotheses.append(join_words(words))
            for name, values in own.items():
                lags[name].append(values)
    cut = replace(
        texts, keys=tuple(map(str, range(len(references)))), references=tuple(references), hypotheses=tuple(hypotheses),
        missing=(), further=(), tagged=(),
    )  # fmt: skip
    metric = headline(texts.lane)
    found = {name: [value for value in values if not math.isnan(value)] for name, values in lags.items()}
    return {
        "long_form": {
            "reference": path.name,
            "recordings": len(recordings),
            "segments": len(references),
            "empty": sum(not hypothesis for hypothesis in hypotheses),
            "quality": {metric.name: metric.score(cut, n_bootstrap=n_bootstrap, seed=seed).entry()},
            **{name: fmean(values) if values else math.nan for name, values in found.items()},
        }
    }


def _cut(
    texts: LaneTexts, utterance: DecodedUtterance, segments: Sequence[Segment]
) -> list[tuple[Segment, list[Word], dict[str, float]]]:
    """Of each segment of a recording its words, and LongYAAL with and without computation."""
    words, units = texts.words(utterance), [texts.units(segment.words) for segment in segments]
    heard, chunks = [heard_s(word, utterance.duration_s) for word in words], heard_chunks(utterance)
    clocks = {"LongYAAL": heard, "LongYAAL_CA": wall_clock_delays(heard, chunks) if chunks else None}
    characters = texts.unit == "character"
    places = places_of(units, [word.text for word in words], characters=characters) if any(units) else []
    end_s = max(segment.end_s for segment in segments)
    result = []
    for place, segment in enumerate(segments):
        own = [n for n, found in enumerate(places) if found == place]
        source_ms, end_ms = 1000 * (segment.end_s - segment.start_s), 1000 * (end_s - segment.start_s)
        lags = {
            name: long_yaal([1000 * (clock[n] - segment.start_s) for n in own], source_ms, end_ms, len(units[place]))
            for name, clock in clocks.items()
            if clock is not None
        }
        result.append((segment, [words[n] for n in own], lags))
    return result
