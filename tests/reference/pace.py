"""What an adaptive blank penalty is, one frame and one label at a time, in plain Python."""

import itertools
import math


def expected_labels(posteriors, blank=0):
    """The expected number of labels of all CTC paths through the first frames, (T, V) -> T numbers, by trying them all.

    posteriors is a list of T lists of V probabilities.
    """
    sums = [0.0] * len(posteriors)
    for path in itertools.product(range(len(posteriors[0])), repeat=len(posteriors)):
        probability = math.prod(row[v] for row, v in zip(posteriors, path))
        labels = 0
        for t, v in enumerate(path):
            labels += v != blank and (t == 0 or path[t - 1] != v)
            sums[t] += probability * labels
    return sums


def onsets(posteriors, blank=0):
    """What each frame adds to the expected number of labels."""
    before = [[0.0] * len(posteriors[0]), *posteriors]
    return [
        sum(p * (1 - q) for v, (p, q) in enumerate(zip(now, last)) if v != blank)
        for now, last in zip(posteriors, before)
    ]


def pace_at(t, heard, written, kept):
    """(Length of what is followed, labels written, heard since the last label) at frame t.

    heard is what each frame adds to what is followed, written the frames of the labels; a frame leaves `kept` of all.
    """
    total = sum(heard[i] * kept ** (t - i) for i in range(t + 1))
    labels = sum(kept ** (t - i) for i in written)
    since = sum(heard[i] * kept ** (t - i) for i in range(max(written, default=-1) + 1, t + 1))
    return total, labels, since
