"""Transducer loss by the forward recursion in float64, one node at a time (arXiv:1211.3711, eq. 16-18)."""

import math

import torch


def rnnt_loss_reference(logits, targets, frames, labels, blank=0):
    """Loss of one utterance: logits (T, U + 1, V), targets (U,)."""
    logp = logits.double().log_softmax(-1)
    alpha = {(0, 0): torch.zeros((), dtype=torch.float64)}
    for t in range(frames):
        for u in range(labels + 1):
            if (t, u) == (0, 0):
                continue
            ways = []
            if t > 0:
                ways.append(alpha[t - 1, u] + logp[t - 1, u, blank])
            if u > 0:
                ways.append(alpha[t, u - 1] + logp[t, u - 1, targets[u - 1]])
            alpha[t, u] = torch.logsumexp(torch.stack(ways), 0)
    return -(alpha[frames - 1, labels] + logp[frames - 1, labels, blank])


def count_paths(frames, labels):
    """Number of paths through the lattice, to check the recursion at uniform probabilities."""
    return math.comb(frames - 1 + labels, labels)
