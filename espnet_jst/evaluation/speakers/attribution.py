"""Accuracy of attribution: of the words that were found, how many have the right speaker.

The reference's words in order of time and those written are aligned with the fewest edits, speakers ignored. Counted
are the reference's words that are right or substituted there; what is missing or added is for the error rates to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.matching import word_differences
from espnet_jst.evaluation.metrics.base import Statistics, rate
from espnet_jst.evaluation.speakers.segments import Segment
from espnet_jst.evaluation.speakers.sessions import NOBODY, Session, SpeakerTexts, speaker_of

Confusion = Counter[tuple[str, str]]  # (speaker of the reference, speaker written) -> words


def confusion(session: Session, texts: LaneTexts) -> Confusion:
    """Who said the aligned words of a session, and who was written to have said them."""
    said = sorted((item for s in session.segments for item in _timed(s, texts)), key=lambda item: item[0])
    written = [(word.text, speaker_of(word)) for word in session.units(texts)]
    found: Confusion = Counter()
    if said and written:
        for kind, wanted, got in word_differences([unit for _, unit, _ in said], [unit for unit, _ in written]):
            if kind in ("equal", "substitute"):
                found.update((said[i][2], written[k][1]) for i, k in zip(wanted, got, strict=True))
    return found


def _timed(segment: Segment, texts: LaneTexts) -> list[tuple[float, str, str]]:
    """(End in s, word, speaker): words share a segment's time by their characters; overlapping segments interleave."""
    units = [str(unit) for unit in texts.units(segment.words)]
    ends = np.cumsum([len(unit) for unit in units]) / max(1, sum(map(len, units)))
    length = segment.end_s - segment.start_s
    return [
        (segment.start_s + float(end) * length, unit, segment.speaker) for end, unit in zip(ends, units, strict=True)
    ]


def right_by_name(found: Confusion) -> int:
    """Words whose speaker has the same name."""
    return sum(count for (said, written), count in found.items() if said == written)


def right_at_best(found: Confusion) -> int:
    """The same where the speakers may be renamed, each to one: the best way of this session."""
    said, written = ({pair[side]: None for pair in found if pair[1] != NOBODY} for side in (0, 1))
    if not said:
        return 0
    counts = np.array([[found[a, b] for b in written] for a in said])
    return int(counts[linear_sum_assignment(counts, maximize=True)].sum())


def accuracy(right: Callable[[Confusion], int]) -> Callable[[SpeakerTexts], Statistics]:
    """Statistics of the accuracy: 100 times the words that are right, and the aligned words."""

    def statistics(speakers: SpeakerTexts) -> Statistics:
        found = [confusion(session, speakers.texts) for session in speakers.sessions]
        aligned, correct = [sum(counts.values()) for counts in found], [right(counts) for counts in found]
        rows = np.array([(100.0 * good, words) for good, words in zip(correct, aligned, strict=True)], dtype=np.float64)
        return Statistics(rows, rate, {"right": sum(correct), "aligned": sum(aligned)})

    return statistics
