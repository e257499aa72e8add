"""A second talker over a digit string: what is transcribed and translated is the one who began.

As with the strings themselves, seeds and recording ids determine every sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from digit_strings import FS, DigitString

from espnet_jst.errors import DataError

LEVELS_DB = (20, 10, 5, 0)  # of test_mix_<level>: how much weaker the second talker is
TRAIN_DB = (0.0, 20.0)
BEGINS_S = (0.2, 1.0)  # after the first talker's first digit
CEILING = 32440  # 0.99 of full scale


def second_talkers(strings: Sequence[DigitString]) -> dict[str, DigitString]:
    """For each string of a list the nearest one before it that somebody else says; after it where there is none.

    So a longer list that begins with a shorter one has the same pairs.

    Raises:
        DataError: one speaker says all of them.
    """
    if len({string.speaker for string in strings}) < 2:
        raise DataError(f"{len(strings)} strings of one speaker: a second talker needs more strings, with two speakers")
    found = {}
    for place, string in enumerate(strings):
        nearest = chain(range(place - 1, -1, -1), range(place + 1, len(strings)))
        found[string.utt_id] = strings[next(at for at in nearest if strings[at].speaker != string.speaker)]
    return found


def speech_power(samples: np.ndarray, spans_s: np.ndarray) -> float:
    """Mean power where digits are spoken; samples int16 (N,), spans (n, 2)."""
    spoken = np.concatenate([samples[round(start * FS) : round(end * FS)] for start, end in spans_s])
    return float(np.square(spoken.astype(np.float64)).mean())


def overlap(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], seed: int, level_db: float
) -> np.ndarray:
    """Mix two composed strings; what the second talker says after the end of the first one's recording is cut off.

    Args:
        first, second: samples int16 (N,) and spans of the digits in seconds, as `compose` gives them.
        seed: determines when the second talker begins.
        level_db: how much weaker the second one is, by the mean power of the digits.

    Returns:
        int16, as long as the first; scaled down where it would be clipped.
    """
    begins_s = first[1][0, 0] + np.random.RandomState([seed, 2]).uniform(*BEGINS_S)
    # The second talker's own silence before the first digit does not count.
    start = round((begins_s - second[1][0, 0]) * FS)
    factor = np.sqrt(speech_power(*first) / speech_power(*second)) * 10 ** (-level_db / 20)
    mixed = first[0].astype(np.float64)
    heard = second[0][max(0, -start) : max(0, len(mixed) - start)]
    start = max(0, start)
    mixed[start : start + len(heard)] += factor * heard
    mixed *= min(1.0, CEILING / np.abs(mixed).max())
    return np.round(mixed).astype(np.int16)
