"""BLEU of several speakers as DiariST has it (arXiv:2309.08007), by sacrebleu.

The figures of its program (docs/scoring.md). SAgBLEU is the corpus BLEU with one text a session: its segments joined
in order of their starts, against everything that was written, speakers ignored. SAtBLEU is the corpus BLEU with one
text a speaker and session. In each session the speakers are paired in the way that has the highest BLEU over this
session; a speaker without a partner stands beside an empty text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
from scipy.optimize import linear_sum_assignment

from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.metrics.base import Statistics
from espnet_jst.evaluation.metrics.translation import BLEU
from espnet_jst.evaluation.speakers.sessions import SpeakerTexts, beside

MOST_PERMUTED = 7  # speakers: 5,040 permutations; of more the pairing that shares most n-grams
_SHARED = slice(2, 6)  # sacrebleu's statistics: lengths, n-grams that are right for n = 1 ... 4, all n-grams


def agnostic(speakers: SpeakerTexts) -> Statistics:
    """SAgBLEU: a row a session."""
    references = [" ".join(filter(None, (s.words for s in session.segments))) for session in speakers.sessions]
    hypotheses = [" ".join(text for _, text in session.turns()) for session in speakers.sessions]
    return _statistics(_paired(speakers.texts, references, hypotheses), range(len(references)))


def attributed(speakers: SpeakerTexts) -> Statistics:
    """SAtBLEU: a row a session, the sum over its speakers."""
    references: list[str] = []
    hypotheses: list[str] = []
    owners: list[int] = []
    for number, session in enumerate(speakers.sessions):
        said, written = session.reference(), session.hypothesis()
        pairs = beside(said, written)
        wanted = ["" if name is None else said[name] for name, _ in pairs]
        found = ["" if name is None else written[name] for _, name in pairs]
        order = best_pairing(speakers.texts, wanted, found)
        references += wanted
        hypotheses += [found[place] for place in order]
        owners += [number] * len(pairs)
    return _statistics(_paired(speakers.texts, references, hypotheses), owners)


def best_pairing(texts: LaneTexts, references: Sequence[str], hypotheses: Sequence[str]) -> tuple[int, ...]:
    """For each reference the place of its hypothesis, so that BLEU over all is highest; of equals the first.

    Args:
        references, hypotheses: texts of the speakers of a session, as many on both sides.
    """
    size = len(references)
    every = _paired(texts, [text for text in references for _ in range(size)], [*hypotheses] * size)
    rows, score, _ = BLEU().statistics(every)
    rows = rows.reshape(size, size, -1)
    if size > MOST_PERMUTED:
        return tuple(linear_sum_assignment(rows[:, :, _SHARED].sum(axis=2), maximize=True)[1].tolist())
    return max(permutations(range(size)), key=lambda order: score(rows[range(size), order].sum(axis=0)))


def _paired(texts: LaneTexts, references: Sequence[str], hypotheses: Sequence[str]) -> LaneTexts:
    keys = tuple(map(str, range(len(references))))
    sides = tuple(references), tuple(hypotheses)
    return replace(texts, keys=keys, references=sides[0], hypotheses=sides[1], missing=(), further=(), tagged=())


def _statistics(pairs: LaneTexts, owners: Sequence[int]) -> Statistics:
    """Rows of the owners of pairs, (sessions, S)."""
    rows, score, _ = BLEU().statistics(pairs)
    summed = np.zeros((max(owners) + 1, rows.shape[1]))
    np.add.at(summed, list(owners), rows)
    return Statistics(summed, score, {"signature": BLEU().score(pairs).details["signature"]})
