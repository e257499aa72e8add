"""A synthetic German-like to English-like corpus with gold links, to measure word aligners on.

1,000 source words with Zipf frequencies within each class; verb-second and verb-final clauses, separable verbs,
compounds, ambiguous nouns and particles without a translation. The words are made up: `nomen12` is `noun12`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np

from espnet_jst.text.links import Link

NOUNS, NAMES, VERBS, SEPARABLE, ADJECTIVES, ADVERBS = 400, 120, 80, 20, 100, 100
COMPOUND_SHARE = 0.05  # of the nouns: two words in the target
AMBIGUOUS_SHARE = 0.1  # of the nouns: a second translation, in three of ten cases
PREFIXES = ("an", "auf", "aus", "ein", "mit", "zu")
PARTICLES = ("doch", "mal", "ja")
MODALS = (("kann", "can"), ("will", "wants"), ("muss", "must"))
CONJUNCTIONS = (("dass", "that"), ("weil", "because"), ("wenn", "if"))

# A word and the key of what it means: words that share a key are linked, the key None has no link.
_Side = list[tuple[str, "int | None"]]
_Phrase = tuple[_Side, _Side]


@dataclass(frozen=True)
class GoldPair:
    """One sentence pair.

    Attributes:
        source: source words.
        target: target words.
        links: gold links (source position, target position), from 0.
    """

    source: list[str]
    target: list[str]
    links: set[Link]


def synthetic_corpus(pairs: int, *, seed: int = 0) -> list[GoldPair]:
    """Sentence pairs with gold links; the same seed gives the same corpus.

    Args:
        pairs: number of sentence pairs.
        seed: of the random generator.
    """
    writer = _Writer(np.random.default_rng(seed))
    return [writer.sentence() for _ in range(pairs)]


class _Writer:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._keys = count()
        self._cumulative: dict[int, np.ndarray] = {}

    def sentence(self) -> GoldPair:
        source, target = self._main_clause()
        if self._chance(0.35):
            comma, key = next(self._keys), next(self._keys)
            german, english = CONJUNCTIONS[self._rank(len(CONJUNCTIONS))]
            clause = self._verb_final_clause()
            source = source + [(",", comma), (german, key)] + clause[0]
            target = target + [(",", comma), (english, key)] + clause[1]
        stop = next(self._keys)
        source, target = source + [(".", stop)], target + [(".", stop)]
        links = {
            (i, j) for i, (_, a) in enumerate(source) for j, (_, b) in enumerate(target) if a is not None and a == b
        }
        return GoldPair([word for word, _ in source], [word for word, _ in target], links)

    def _main_clause(self) -> _Phrase:
        """Finite verb second; its prefix, participle or infinitive last."""
        subject, thing, adverb = self._noun_phrase(), self._noun_phrase(), self._adverb()
        finite, final, verb = self._verb()
        particle: _Side = [(PARTICLES[self._rank(len(PARTICLES))], None)] if self._chance(0.08) else []
        if adverb[0] and self._chance(0.4):
            source = adverb[0] + finite + subject[0] + particle + thing[0] + final
            return source, adverb[1] + subject[1] + verb + thing[1]
        middle = adverb[0] + thing[0] if self._chance(0.6) else thing[0] + adverb[0]
        return subject[0] + finite + particle + middle + final, subject[1] + verb + thing[1] + adverb[1]

    def _verb_final_clause(self) -> _Phrase:
        subject, thing, adverb = self._noun_phrase(), self._noun_phrase(), self._adverb()
        number, key = self._rank(VERBS), next(self._keys)
        source = subject[0] + adverb[0] + thing[0] + [(f"verb{number}t", key)]
        return source, subject[1] + [(f"verb{number}s", key)] + thing[1] + adverb[1]

    def _verb(self) -> tuple[_Side, _Side, _Side]:
        """(finite source word, what closes the clause, target words)."""
        key, other = next(self._keys), next(self._keys)
        kind = self._rng.random()
        if kind < 0.15:
            number = self._rank(SEPARABLE)
            prefix = PREFIXES[number % len(PREFIXES)]
            return [(f"sep{number}t", key)], [(prefix, key)], [(f"phrasal{number}s", key)]
        number = self._rank(VERBS)
        if kind < 0.35:
            return [("hat", other)], [(f"geverb{number}t", key)], [("has", other), (f"verb{number}ed", key)]
        if kind < 0.5:
            german, english = MODALS[self._rank(len(MODALS))]
            return [(german, other)], [(f"verb{number}en", key)], [(english, other), (f"verb{number}", key)]
        return [(f"verb{number}t", key)], [], [(f"verb{number}s", key)]

    def _noun_phrase(self) -> _Phrase:
        if self._chance(0.2):
            return self._same(f"Name{self._rank(NAMES)}")
        article = ("die", "the") if self._chance(0.6) else ("eine", "a")
        key = next(self._keys)
        source: _Side = [(article[0], key)]
        target: _Side = [(article[1], key)]
        if self._chance(0.3):
            number, key = self._rank(ADJECTIVES), next(self._keys)
            source.append((f"adjektiv{number}", key))
            target.append((f"adjective{number}", key))
        number, key = self._rank(NOUNS), next(self._keys)
        source.append((f"nomen{number}", key))
        kind = (number + 37) * 7919 % 997 / 997  # scattered over the ranks, so that it does not follow the frequency
        if kind < COMPOUND_SHARE:
            return source, target + [(f"head{number}", key), (f"noun{number}", key)]
        second = kind > 1 - AMBIGUOUS_SHARE and self._chance(0.3)
        return source, target + [(f"other{number}" if second else f"noun{number}", key)]

    def _adverb(self) -> _Phrase:
        if self._chance(0.5):
            return [], []
        number, key = self._rank(ADVERBS), next(self._keys)
        return [(f"adverb{number}", key)], [(f"adverb{number}ly", key)]

    def _same(self, word: str) -> _Phrase:
        key = next(self._keys)
        return [(word, key)], [(word, key)]

    def _rank(self, size: int) -> int:
        """A rank in [0, size) with a probability proportional to 1 / (rank + 1)."""
        if size not in self._cumulative:
            weights = 1.0 / np.arange(1, size + 1)
            self._cumulative[size] = np.cumsum(weights) / weights.sum()
        return min(int(np.searchsorted(self._cumulative[size], self._rng.random(), side="right")), size - 1)

    def _chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)
