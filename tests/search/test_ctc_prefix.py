"""Prefix probabilities of CTC against the sum over all paths."""

import itertools
import math
from collections import defaultdict

import torch

from espnet_jst.search.ctc_prefix import CTCPrefix

V = 4


def written(path):
    """Labels of a path, 0 is the blank."""
    return tuple(label for label, _ in itertools.groupby(path) if label)


def sums(logp):
    """Of all outputs of frames (T, V), and of all that begin with a sequence, the probability."""
    whole, begun = defaultdict(float), defaultdict(float)
    for path in itertools.product(range(V), repeat=len(logp)):
        probability = math.exp(sum(float(logp[t, label]) for t, label in enumerate(path)))
        labels = written(path)
        whole[labels] += probability
        for count in range(len(labels) + 1):
            begun[labels[:count]] += probability
    return whole, begun


def test_all_prefixes_of_a_batch_have_the_probabilities_of_their_paths():
    logp = torch.randn(2, 6, V, generator=torch.Generator().manual_seed(0)).double().log_softmax(-1)
    lengths = torch.tensor([6, 4])
    logp[1, 4:] = 100.0  # padding is never read
    expected = [sums(logp[b, :length]) for b, length in enumerate(lengths)]
    search = CTCPrefix(logp, lengths)
    prefixes, sequences = search.begin(), [()]
    for _ in range(3):
        scores, ends = search.scores(prefixes).exp(), search.ends(prefixes).exp()
        for b, (whole, begun) in enumerate(expected):
            for k, sequence in enumerate(sequences):
                assert math.isclose(float(prefixes.score[b, k].exp()), begun[sequence], abs_tol=1e-9)
                assert math.isclose(float(ends[b, k]), whole[sequence], abs_tol=1e-9)
                assert scores[b, k, 0] == 0
                for label in range(1, V):
                    assert math.isclose(float(scores[b, k, label]), begun[*sequence, label], abs_tol=1e-9)
        parents = torch.arange(len(sequences)).repeat_interleave(V - 1).expand(2, -1)
        labels = torch.arange(1, V).repeat(len(sequences)).expand(2, -1)
        prefixes = search.extend(prefixes, parents, labels)
        sequences = [(*sequence, label) for sequence in sequences for label in range(1, V)]


def test_hours_of_frames_do_not_underflow():
    logp = torch.full((1, 20_000, V), -8.0)
    logp[..., 0] = math.log(1 - 3 * math.exp(-8.0))
    logp[0, 10_000] = torch.tensor([-9.0, -8.0, -0.1, -8.0])
    search = CTCPrefix(logp, torch.tensor([20_000]))
    scores = search.scores(search.begin())[0, 0]
    assert scores.isfinite().tolist() == [False, True, True, True] and scores.argmax() == 2
    one = search.extend(search.begin(), torch.tensor([[0]]), torch.tensor([[2]]))
    torch.testing.assert_close(one.score[0, 0], scores[2])
    assert search.ends(one).isfinite().all() and search.ends(one)[0, 0] < one.score[0, 0]
