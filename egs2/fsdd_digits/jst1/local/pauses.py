"""Digital silence in a digit string, as a muted microphone leaves it: before it, between two digits, or after it.

As with the strings themselves, seeds determine every sample.
"""

from __future__ import annotations

import numpy as np
from digit_strings import FS

LONGEST_S = 10.0
TEST_SETS = {"test_silence": 10.0}  # the strings of test behind so many seconds


def pause(samples: np.ndarray, spans_s: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A composed string with a pause of up to ten seconds at one of its n + 1 places.

    Args:
        samples: int16, (N,).
        spans_s: start and end of the n digits, (n, 2).
        seed: determines place and length.

    Returns:
        int16 samples and spans, as the arguments.
    """
    random = np.random.RandomState([seed, 4])
    return insert(samples, spans_s, random.randint(len(spans_s) + 1), random.uniform(0.0, LONGEST_S))


def insert(samples: np.ndarray, spans_s: np.ndarray, place: int, length_s: float) -> tuple[np.ndarray, np.ndarray]:
    """As `pause`: so many seconds of zeros before digit `place`, or behind the last, amid the silence that is there."""
    ends = np.concatenate([[0.0], spans_s[:, 1]])
    starts = np.concatenate([spans_s[:, 0], [len(samples) / FS]])
    at, more = round((ends[place] + starts[place]) / 2 * FS), round(length_s * FS)
    if place in (0, len(spans_s)):
        at = 0 if place == 0 else len(samples)
    later = np.zeros_like(spans_s)
    later[place:] = more / FS
    return np.concatenate([samples[:at], np.zeros(more, samples.dtype), samples[at:]]), spans_s + later
