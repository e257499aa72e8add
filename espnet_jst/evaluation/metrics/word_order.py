"""RIBES (Isozaki et al., EMNLP 2010): whether a translation has its words in the order of the reference."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from espnet_jst.evaluation.lanes import LaneTexts
from espnet_jst.evaluation.metrics.base import Decoded, Metric, Statistics, rate
from espnet_jst.evaluation.shown import number

ALPHA, BETA = 0.25, 0.10  # the paper's exponents of precision and brevity
CONTEXT = 10  # words to either side that tell one occurrence of a word from another: a text that repeats itself ends


def word_pairs(reference: Sequence[str], hypothesis: Sequence[str]) -> list[int]:
    """Places in the reference of the words of a hypothesis, in the order of the hypothesis; no place twice.

    A word that both have once stands where the reference has it. One that is repeated is told by what stands around
    it: the shortest context, first to the right and then to the left, that both have once. What no context tells is
    paired in order of occurrence, which the paper leaves out: so a text equal to its reference has all of its words.
    """

    @cache
    def occurrences(size: int) -> tuple[Counter[tuple[str, ...]], dict[tuple[str, ...], int]]:
        """How often each n-gram stands in the hypothesis, and the place in the reference of those it has once."""
        found = [Counter(_ngrams(text, size)) for text in (hypothesis, reference)]
        places = {ngram: place for place, ngram in enumerate(_ngrams(reference, size)) if found[1][ngram] == 1}
        return found[0], places

    def told(at: int) -> int | None:
        for reach in range(CONTEXT + 1):
            for first in (at, at - reach):
                ngram = tuple(hypothesis[max(first, 0) : first + reach + 1])
                written, places = occurrences(reach + 1)
                if len(ngram) == reach + 1 and written[ngram] == 1 and ngram in places:
                    return places[ngram] + at - first
        return None

    known, pairs, taken = set(reference), dict[int, int](), set[int]()
    for at, word in enumerate(hypothesis):
        place = told(at) if word in known else None
        if place is not None and place not in taken:
            pairs[at] = place
            taken.add(place)
    left: dict[str, list[int]] = {}
    for place in reversed(range(len(reference))):
        if place not in taken:
            left.setdefault(reference[place], []).append(place)
    for at, word in enumerate(hypothesis):
        if at not in pairs and left.get(word):
            pairs[at] = left[word].pop()
    return [pairs[at] for at in sorted(pairs)]


def order(places: Sequence[int]) -> float:
    """Kendall's tau of a row of different numbers, as the share of pairs that ascend: 1 in order, 0 backwards."""
    seen: list[int] = []
    ascending = 0
    for place in places:
        ascending += bisect_left(seen, place)
        insort(seen, place)
    return ascending / math.comb(len(places), 2)


def ribes(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[float, float]:
    """RIBES of an utterance, and its order alone; both are 0 where fewer than two words can be compared."""
    places = word_pairs(reference, hypothesis)
    if len(places) > 1:
        sorted_share = order(places)
    else:
        sorted_share = float(len(places) == len(reference) == 1)
    if not sorted_share:
        return 0.0, 0.0
    brevity = min(1.0, math.exp(1.0 - len(reference) / len(hypothesis)))
    return sorted_share * (len(places) / len(hypothesis)) ** ALPHA * brevity**BETA, sorted_share


def _ngrams(text: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return zip(*(text[start:] for start in range(size)))


class RIBES(Metric):
    """Mean over the utterances; one without a reference weighs nothing."""

    name = "RIBES"
    meaning = "order of the words against the reference's, 0 to 1, more is better"
    up = True
    limits = (0.0, 1.0)
    digits = 3
    source = False

    def statistics(self, texts: LaneTexts, decoded: Decoded | None = None) -> Statistics:
        """RIBES, by the reference that it is best with, and 1."""
        fold = str.lower if texts.lowercase else str

        def best(written: str, wanted: Sequence[str]) -> tuple[float, float] | None:
            hypothesis = texts.units(fold(written))
            return max((ribes(texts.units(fold(text)), hypothesis) for text in wanted if text), default=None)

        wanted = zip(texts.references, *texts.further, strict=True)
        found = [best(*pair) for pair in zip(texts.hypotheses, wanted, strict=True)]
        rows = np.array([(pair[0], 1.0) if pair else (0.0, 0.0) for pair in found], dtype=np.float64)
        shares = [pair[1] for pair in found if pair]
        made = {
            "nrefs": 1 + len(texts.further),
            "case": "lc" if texts.lowercase else "mixed",
            "tok": "units",
            "alpha": ALPHA,
            "beta": BETA,
            "context": CONTEXT,
        }
        details = {
            "order": math.fsum(shares) / len(shares) if shares else math.nan,
            "signature": "|".join(f"{key}:{value}" for key, value in made.items()),
        }
        return Statistics(rows, rate, details)

    def columns(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """The score, and the order alone, which a wrong or missing word does not lower."""
        return {**super().columns(entry), "order alone": number(entry["order"], self.digits)}
