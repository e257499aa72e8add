"""Latency of one utterance: AL, LAAL, DAL, AP (arXiv:2007.16193, 2206.05807, 1906.00048, 1606.02012) and YAAL.

All times are in milliseconds from the start of the audio. `d_i` is the delay of the i-th word written, |X| the
duration of the source, |Y| the number of words written and |Y*| the number of words of the reference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from espnet_jst.errors import DataError

METRICS = ("AL", "LAAL", "DAL", "AP", "YAAL")


def latency_metrics(delays_ms: Sequence[float], source_ms: float, reference_length: int) -> dict[str, float]:
    """Latency of one utterance in one lane.

    Args:
        delays_ms: delay of each word written, (|Y|,): the audio heard when it was shown, in ms. For the
            computation-aware variants pass the delays on the wall clock (`wall_clock_delays_ms`).
        source_ms: duration of the audio in ms, above 0.
        reference_length: number of words of the reference, 0 or more.

    Returns:
        AL, LAAL, DAL and YAAL in ms, AP as a ratio. A value that is not defined is NaN: all of them when nothing was
        written; AL and AP when the reference is empty; YAAL (arXiv:2509.17349) when the first word came at or after
        the end of the audio.

    Raises:
        DataError: a delay, the duration or the reference length is negative or not finite.
    """
    _check(delays_ms, source_ms, reference_length)
    if not delays_ms:
        return dict.fromkeys(METRICS, math.nan)
    longer = max(len(delays_ms), reference_length)
    return {
        "AL": _average_lagging(delays_ms, source_ms, reference_length) if reference_length else math.nan,
        "LAAL": _average_lagging(delays_ms, source_ms, longer),
        "DAL": _differentiable_lagging(delays_ms, source_ms),
        "AP": sum(delays_ms) / (source_ms * reference_length) if reference_length else math.nan,
        "YAAL": _yaal(delays_ms, source_ms, longer),
    }


def _average_lagging(delays: Sequence[float], source_ms: float, length: int) -> float:
    """Mean lag behind an ideal writer of `length` evenly spaced words, up to the first word after the audio's end."""
    step = source_ms / length
    counted = next((i + 1 for i, delay in enumerate(delays) if delay >= source_ms), len(delays))
    return sum(delay - i * step for i, delay in enumerate(delays[:counted])) / counted


def _differentiable_lagging(delays: Sequence[float], source_ms: float) -> float:
    step = source_ms / len(delays)
    paced, total = -math.inf, 0.0
    for i, delay in enumerate(delays):
        paced = max(delay, paced + step)
        total += paced - i * step
    return total / len(delays)


def _yaal(delays: Sequence[float], source_ms: float, length: int) -> float:
    """LAAL's sum over the words that were shown before the audio ended."""
    step = source_ms / length
    lags = [delay - i * step for i, delay in enumerate(delays) if delay < source_ms]
    return sum(lags) / len(lags) if lags and delays[0] < source_ms else math.nan


def _check(delays: Sequence[float], source_ms: float, reference_length: int) -> None:
    if not (math.isfinite(source_ms) and source_ms > 0):
        raise DataError(f"source_ms is {source_ms}; give the duration of the audio in ms, above 0")
    if reference_length < 0:
        raise DataError(f"reference_length is {reference_length}; give the number of reference words, 0 or more")
    for i, delay in enumerate(delays):
        if not (math.isfinite(delay) and delay >= 0):
            raise DataError(f"delay {i} is {delay}; give ms from the start of the audio, 0 or more")


def finish_times(chunks: Sequence[tuple[float, float]]) -> list[float]:
    """When the processing of each chunk ends on the wall clock, backlog included.

    A chunk is processed when it has arrived and the one before it is done: a slow chunk delays those behind it.

    Args:
        chunks: (audio heard at the chunk's end, processing time of this chunk alone), in one unit, in order.

    Returns:
        Finish time of each chunk from the start of the audio, in the same unit.
    """
    finished, previous = [], 0.0
    for arrival, elapsed in chunks:
        previous = max(arrival, previous) + elapsed
        finished.append(previous)
    return finished


def wall_clock_delays(emissions: Sequence[float], chunks: Sequence[tuple[float, float]]) -> list[float]:
    """Computation-aware delays: when the chunk that showed each word was done (see `finish_times`).

    Where several chunks end at the same audio time (the last push and the flush after it), the last one counts.

    Args:
        emissions: audio heard when each word was shown, (|Y|,).

    Raises:
        DataError: there are words but no chunks.
    """
    finished = finish_times(chunks)
    return [
        max(finished[index], emission)
        for index, emission in zip(showing_chunks(emissions, chunks), emissions, strict=True)
    ]


def showing_chunks(emissions: Sequence[float], chunks: Sequence[tuple[float, float]]) -> list[int]:
    """Index of the chunk whose processing showed each word; arguments and errors as for `wall_clock_delays`."""
    if emissions and not chunks:
        raise DataError("there are words but no chunks with computation times; write one entry a chunk")
    tolerance = 1e-6 * (1.0 + (chunks[-1][0] if chunks else 0.0))
    shown = []
    for emission in emissions:
        index = next((k for k, (arrival, _) in enumerate(chunks) if arrival >= emission - tolerance), len(chunks) - 1)
        while index + 1 < len(chunks) and chunks[index + 1][0] <= chunks[index][0] + tolerance:
            index += 1
        shown.append(index)
    return shown


def percentile(values: Sequence[float], percent: float) -> float:
    """Percentile with linear interpolation between the closest ranks; NaN for no values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    rank = (len(ordered) - 1) * percent / 100.0
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)
