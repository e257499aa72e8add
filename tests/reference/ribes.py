"""RIBES from its definition, by counting everything: the oracle of the metric."""

from __future__ import annotations

import itertools
import math


def occurrences(text, part):
    return [i for i in range(len(text)) if text[i : i + len(part)] == part]


def place_by_context(reference, hypothesis, i):
    for reach in range(len(hypothesis)):
        right = (i, hypothesis[i : i + reach + 1])
        left = (i - reach, hypothesis[i - reach : i + 1] if i >= reach else [])
        for start, part in (right, left):
            if len(part) == reach + 1 and len(occurrences(hypothesis, part)) == 1:
                found = occurrences(reference, part)
                if len(found) == 1:
                    return found[0] + i - start
    return None


def pairs(reference, hypothesis):
    found = {}
    for i in range(len(hypothesis)):
        place = place_by_context(reference, hypothesis, i)
        if place is not None and place not in found.values():
            found[i] = place
    for i, word in enumerate(hypothesis):
        free = [j for j, other in enumerate(reference) if other == word and j not in found.values()]
        if i not in found and free:
            found[i] = free[0]
    return [found[i] for i in sorted(found)]


def ribes(reference, hypothesis):
    places = pairs(reference, hypothesis)
    if len(places) == len(reference) == 1:
        tau = 1.0
    elif len(places) < 2:
        return 0.0
    else:
        both = list(itertools.combinations(places, 2))
        tau = sum(1 if a < b else -1 for a, b in both) / len(both)
        tau = (tau + 1) / 2
    brevity = min(1.0, math.exp(1 - len(reference) / len(hypothesis)))
    return tau * (len(places) / len(hypothesis)) ** 0.25 * brevity**0.10
