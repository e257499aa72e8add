"""Latency formulas written out word by word in exact fractions: the oracle of espnet_jst.evaluation.latency."""

from __future__ import annotations

from fractions import Fraction


def average_lagging(delays, source, length):
    total, tau = Fraction(0), 0
    for i in range(1, len(delays) + 1):
        total += Fraction(delays[i - 1]) - (i - 1) * Fraction(source) / length
        tau = i
        if delays[i - 1] >= source:
            break
    return total / tau


def differentiable_average_lagging(delays, source):
    n, total, previous = len(delays), Fraction(0), None
    for i in range(1, n + 1):
        delayed = Fraction(delays[i - 1])
        if previous is not None and previous + Fraction(source) / n > delayed:
            delayed = previous + Fraction(source) / n
        previous = delayed
        total += delayed - (i - 1) * Fraction(source) / n
    return total / n


def average_proportion(delays, source, length):
    return sum(map(Fraction, delays)) / (Fraction(source) * length)


def yaal(delays, source, length):
    """None where the utterance is skipped."""
    if delays[0] >= source:
        return None
    kept = [(i, d) for i, d in enumerate(delays) if d < source]
    return sum(Fraction(d) - i * Fraction(source) / length for i, d in kept) / len(kept)


def finish_times(chunks, tick):
    """One processor and a queue, in steps of `tick`; arrivals and processing times are multiples of it."""
    left = [elapsed for _, elapsed in chunks]
    done, now, current = [], 0, 0
    while current < len(chunks):
        if chunks[current][0] <= now and left[current] <= 0:
            done.append(now)
            current += 1
            continue
        if chunks[current][0] <= now:
            left[current] -= tick
        now += tick
    return done
