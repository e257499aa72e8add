"""Latency of the lanes of one decode directory, from words.jsonl."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_jst.errors import DataError
from espnet_jst.evaluation.corpus import TimedHypothesis, corpus_latency, lane_gaps, summary
from espnet_jst.evaluation.files import DecodedUtterance, some_names
from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.latency import latency_metrics, wall_clock_delays
from espnet_jst.evaluation.matching import matching_words
from espnet_jst.text.align.pharaoh import read_pharaoh
from espnet_jst.text.units import split_units
from espnet_jst.text.words import Word, unit_words


def heard_s(word: Word, duration_s: float) -> float:
    """Audio that had been heard when the word was shown: a last chunk filled up with zeros ends with the audio."""
    return min(word.emission_s, duration_s)


def heard_chunks(utterance: DecodedUtterance) -> list[tuple[float, float]]:
    """(Audio heard, processing time) of each chunk, in s; the last one ends with the audio, as in `heard_s`."""
    return [(min(arrival, utterance.duration_s), elapsed) for arrival, elapsed in utterance.chunks]


def lane_latency(
    texts: LaneTexts,
    decoded: Mapping[str, DecodedUtterance],
    word_ends: Mapping[str, Sequence[float]] | None = None,
) -> dict:
    """Latency of one lane over the utterances that were decoded (`corpus_latency`, in ms), with what was left out.

    Adds `missing` (utterances without a line in words.jsonl), `text_differs` (utterances whose words are not those of
    the text file, as when a beam's final n-best corrects the stream) and, given the end of each reference word in s,
    `word_lag` (ms, over the words that were recognised) with `word_ends_unusable`, the utterances whose number of end
    times is not their number of words.

    Raises:
        DataError: words.jsonl has utterances that the reference lacks, or none of those it has.
    """
    known = set(texts.keys)
    unknown = [key for key in decoded if key not in known]
    if unknown:
        raise DataError(
            f"words.jsonl: utterances that {texts.reference_file} does not have: {some_names(unknown)}; "
            "score against the references of the set that was decoded"
        )
    items: list[TimedHypothesis] = []
    lags: list[float] = []
    unusable, differs = [], []
    lines = zip(texts.keys, texts.references, texts.counted, texts.hypotheses, strict=True)
    for key, reference, counted, hypothesis in lines:
        if key not in decoded:
            continue
        utterance, words, expected = decoded[key], texts.words(decoded[key]), texts.units(reference)
        items.append(_timed(utterance, words, len(expected)))
        if [word.text for word in words] != texts.units(hypothesis):
            differs.append(key)
        ends = (word_ends or {}).get(key)
        if ends is not None and len(ends) == len(split_units(counted)):
            emissions = _emissions(counted, utterance, texts.name)
            lags += [emission - ends[i] for i, emission in emissions.items()]
        elif word_ends is not None:
            unusable.append(key)
    result = corpus_latency(items)
    result["missing"] = [key for key in texts.keys if key not in decoded]
    result["text_differs"] = len(differs)
    if word_ends is not None:
        result["word_lag"] = summary([1000.0 * lag for lag in lags])
        result["word_ends_unusable"] = unusable
    return result


def _timed(utterance: DecodedUtterance, words: Sequence[Word], reference_length: int) -> TimedHypothesis:
    heard = [heard_s(word, utterance.duration_s) for word in words]
    chunks = heard_chunks(utterance)
    clock = wall_clock_delays(heard, chunks) if chunks else None
    return TimedHypothesis(
        delays_ms=[1000.0 * value for value in heard],
        source_ms=1000.0 * utterance.duration_s,
        reference_length=reference_length,
        wall_clock_ms=[1000.0 * value for value in clock] if clock is not None else None,
        compute_ms=1000.0 * sum(elapsed for _, elapsed in chunks) if chunks else None,
    )


def utterance_laal(texts: LaneTexts, decoded: Mapping[str, DecodedUtterance]) -> dict[str, float]:
    """LAAL of each utterance in which the lane wrote something, in ms."""
    result = {}
    for key, reference in zip(texts.keys, texts.references, strict=True):
        if key in decoded:
            utterance = decoded[key]
            delays = [1000.0 * heard_s(word, utterance.duration_s) for word in texts.words(utterance)]
            value = latency_metrics(delays, 1000.0 * utterance.duration_s, len(texts.units(reference)))["LAAL"]
            if not math.isnan(value):
                result[key] = value
    return result


def lane_gap(source: LaneTexts, target: LaneTexts, decoded: Mapping[str, DecodedUtterance], alignment: Path) -> dict:
    """How long after its transcript a translated word appears (`lane_gaps`), in ms, over all utterances.

    Args:
        alignment: Pharaoh file "utt 0-0 1-2 ..." of the reference words.

    Raises:
        DataError: the file is missing or holds something that is not a link.
    """
    references = [(t.name, dict(zip(t.keys, t.counted, strict=True))) for t in (source, target)]
    gaps: list[float] = []
    for key, links in read_pharaoh(alignment).items():
        if key in decoded:
            seen = [_emissions(texts.get(key, ""), decoded[key], name) for name, texts in references]
            gaps += lane_gaps(links, *seen)
    return summary([1000.0 * gap for gap in gaps])


def _emissions(reference: str, utterance: DecodedUtterance, lane: str) -> dict[int, float]:
    """When each reference word that was got right appeared, by its index, in s.

    Links and times count the units that the text alone tells, whatever its language.
    """
    words = [unit for word in utterance.lane(lane) for unit in unit_words(word)]
    pairs = matching_words(split_units(reference), [word.text for word in words])
    return {i: heard_s(words[j], utterance.duration_s) for i, j in pairs}
