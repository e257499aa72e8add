"""What each utterance adds to a metric: the rows of any set of utterances, summed, give the score of that set."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.evaluation.lane_latency import utterance_laal
from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.quality import TRANSLATION_METRICS, edit_score, make_metric, summable
from espnet_jst.text.words import TRANSCRIPT


class Statistics(NamedTuple):
    """One metric: statistics of each utterance, (N, S), and the score of their sum, (S,) -> float.

    Column 1 is what the score divides by, as in `compare_systems`; sacrebleu has the length of the reference there.
    """

    rows: np.ndarray
    score: Callable[[np.ndarray], float]


def lane_statistics(
    texts: LaneTexts, decoded: Mapping[str, DecodedUtterance] | None, *, lowercase: bool
) -> dict[str, Statistics]:
    """WER and CER of a transcript, BLEU, chrF++ and TER of a translation, in percent, and LAAL in ms.

    Args:
        texts: references and hypotheses of the lane.
        decoded: the words with their times; without them there is no LAAL.
        lowercase: compare translations without case.
    """
    if texts.lane == TRANSCRIPT:
        found = {
            "WER": edit_statistics(texts.references, texts.hypotheses, unit="word", language=texts.language),
            "CER": edit_statistics(texts.references, texts.hypotheses, unit="char", language=texts.language),
        }
    else:
        tokenize = texts.tokenize
        pairs = texts.references, texts.hypotheses
        found = {
            name: translation_statistics(name, *pairs, lowercase=lowercase, tokenize=tokenize)
            for name in TRANSLATION_METRICS
        }
    if decoded is not None:
        laal = utterance_laal(texts, decoded)
        # An utterance without words of the lane has no latency: it weighs nothing.
        rows = [(laal[key], 1.0) if key in laal else (0.0, 0.0) for key in texts.keys]
        found["LAAL"] = Statistics(np.array(rows, dtype=np.float64), rate)
    return found


def rate(sums: np.ndarray) -> float:
    """Ratio of two sums, such as errors and words; NaN where there is nothing to divide by."""
    return float(sums[0] / sums[1]) if sums[1] else math.nan


def edit_statistics(
    references: Sequence[str], hypotheses: Sequence[str], *, unit: str, language: str | None = None
) -> Statistics:
    """Errors in percent and reference units of each utterance: WER (`unit="word"`) or CER (`"char"`)."""
    pairs = edit_score(references, hypotheses, unit=unit, language=language).per_utterance
    return Statistics(np.array([(100.0 * wrong, units) for wrong, units in pairs], dtype=np.float64), rate)


def translation_statistics(
    name: str, references: Sequence[str], hypotheses: Sequence[str], *, lowercase: bool, tokenize: str | None = None
) -> Statistics:
    """Statistics for "BLEU", "chrF++" or "TER", whose corpus score is that of the sum."""
    metric = make_metric(name, lowercase=lowercase, tokenize=tokenize)
    return Statistics(*summable(metric, references, hypotheses))
