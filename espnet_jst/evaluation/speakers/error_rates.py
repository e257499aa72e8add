"""Word error rates of several speakers (Neumann et al., arXiv:2307.11394): cpWER is ours, the others are meeteval's.

cpWER needs no search: every speaker of the reference is paired with one of the hypothesis, so the least errors are
those of an assignment over the edit distances of all pairs.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.metrics.base import Statistics, rate
from espnet_jst.evaluation.speakers.sessions import Session, SpeakerTexts, beside, speaker_of

COLLAR_S = 5.0  # how far a word may be from its reference and still be paired with it
MOST_SPEAKERS = 10  # that meeteval takes in a session


def cp_errors(session: Session, texts: LaneTexts) -> int:
    """Errors over the best assignment of speakers; one without a partner is deleted or inserted as a whole."""
    said, written = session.reference(), session.hypothesis()
    pairs = beside(said, written)
    wanted = [_units("" if name is None else said[name], texts) for name, _ in pairs]
    found = [_units("" if name is None else written[name], texts) for _, name in pairs]
    costs = np.array([[Levenshtein.distance(a, b) for b in found] for a in wanted])
    return int(costs[linear_sum_assignment(costs)].sum())


def orc_errors(session: Session, texts: LaneTexts) -> int:
    """Errors where each segment of the reference may go to any speaker of the hypothesis, by meeteval."""
    import meeteval

    reference = [_entry(s.speaker, texts.units(s.words)) for s in session.segments]
    hypothesis = [_entry(speaker, texts.units(text)) for speaker, text in session.turns()]
    if not session.words:  # meeteval 0.4.3 fails on its own check of an empty hypothesis
        return _length(session, texts)
    found = meeteval.wer.orc_word_error_rate(
        meeteval.io.SegLST(reference), meeteval.io.SegLST(hypothesis), reference_sort=False, hypothesis_sort=False
    )
    return int(found.errors)


def tcp_errors(session: Session, texts: LaneTexts) -> int:
    """Errors of cpWER where words pair only within `COLLAR_S` of each other, by meeteval.

    The words of a segment share its time by their characters, as is meeteval's default; those written have their own.
    """
    import meeteval

    reference = [_entry(s.speaker, texts.units(s.words), s.start_s, s.end_s) for s in session.segments]
    hypothesis = [_entry(speaker_of(word), [word.text], word.start_s, word.end_s) for word in session.units(texts)]
    found = meeteval.wer.time_constrained_minimum_permutation_word_error_rate(
        meeteval.io.SegLST(reference), meeteval.io.SegLST(hypothesis), collar=COLLAR_S
    )
    return int(found.errors)


def has_meeteval() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("meeteval") is not None


def counted(errors: Callable[[Session, LaneTexts], int], signature: str) -> Callable[[SpeakerTexts], Statistics]:
    """Statistics of an error rate: 100 times the errors, and the units of the reference.

    Args:
        errors: of a session.
        signature: how they are counted, without versions.
    """

    def statistics(speakers: SpeakerTexts) -> Statistics:
        texts = speakers.texts
        wrong = [errors(session, texts) for session in speakers.sessions]
        units = [_length(session, texts) for session in speakers.sessions]
        rows = np.array([(100.0 * count, length) for count, length in zip(wrong, units, strict=True)], dtype=np.float64)
        made = f"{signature}|unit:{texts.unit}" + (f"|version:{_version()}" if "meeteval" in signature else "")
        return Statistics(rows, rate, {"errors": sum(wrong), "reference_units": sum(units), "signature": made})

    return statistics


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("meeteval")
    except PackageNotFoundError:
        return "unknown"


def _length(session: Session, texts: LaneTexts) -> int:
    """Units of the reference."""
    return sum(len(texts.units(segment.words)) for segment in session.segments)


def _units(text: str, texts: LaneTexts) -> list[str]:
    return [str(unit) for unit in texts.units(text)]  # plain: one comparison for all kinds of units


def _entry(speaker: str, units: list[str], *times: float) -> dict[str, Any]:
    entry: dict[str, Any] = {"session_id": "", "speaker": speaker, "words": " ".join(units)}
    return {**entry, **dict(zip(("start_time", "end_time"), times, strict=True))} if times else entry
