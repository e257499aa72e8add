"""The recursion over a lattice, or a band of it, compiled by numba at the first call (no compiler needed)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

IMPOSSIBLE = -1e30  # log-probability; minus infinity would give NaN where two of them meet


def usable() -> bool:
    """Whether numba compiles here."""
    ones = torch.zeros(1, 1, 1)
    return bool(occupation(ones, ones, *(torch.zeros(1, 1), torch.ones(1), torch.zeros(1)))[0].isfinite())


def occupation(
    blank: Tensor, label: Tensor, first: Tensor, frames: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of each utterance and its gradients.

    Row r of frame t stands for first[t] + r labels written. Sums are in float64, whatever the inputs are.

    Args:
        blank: log-probability of the blank, (B, T, R).
        label: log-probability of the next label, (B, T, R).
        first: number of labels that the lowest row stands for, (B, T), never falling, 0 at frame 0.
        frames, labels: lengths, (B,).

    Returns:
        Negative log-likelihood (B,), infinite where no path fits the band, and its gradients by `blank` and `label`.
    """
    arrays = [x.contiguous().numpy() for x in (blank, label, first.int(), frames.int(), labels.int())]
    loss, d_blank, d_label = (torch.from_numpy(x) for x in _occupation(*arrays))
    return loss, d_blank, d_label


@numba.njit(inline="always")
def _logaddexp(a: float, b: float) -> float:
    if a > b:
        return a + math.log1p(math.exp(b - a))
    return b + math.log1p(math.exp(a - b))  # also where one is NaN, which must get through


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiled by numba, and kept for the next process where it finds a folder that it can write."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except (OSError, RuntimeError):
        return numba.njit(nogil=True)(function)


@_compiled
def _occupation(
    blank: np.ndarray, label: np.ndarray, first: np.ndarray, frames: np.ndarray, labels: np.ndarray
) -> tuple[Any, Any, Any]:
    B, T, R = blank.shape
    loss = np.full(B, np.inf)
    d_blank, d_label = np.zeros_like(blank), np.zeros_like(label)
    alpha, beta = np.empty((T, R)), np.empty((T, R))
    for b in range(B):
        n, end = frames[b], labels[b] - first[b, frames[b] - 1]
        for t in range(n):
            shift = first[b, t] - first[b, t - 1] if t > 0 else 0
            for r in range(min(R, labels[b] - first[b, t] + 1)):
                value = 0.0 if t == 0 and r == 0 else IMPOSSIBLE
                if t > 0 and r + shift < R:
                    value = alpha[t - 1, r + shift] + blank[b, t - 1, r + shift]
                if r > 0:
                    value = _logaddexp(value, alpha[t, r - 1] + label[b, t, r - 1])
                alpha[t, r] = value
        total = alpha[n - 1, end] + blank[b, n - 1, end] if 0 <= end < R else IMPOSSIBLE
        if total <= 0.5 * IMPOSSIBLE:
            continue
        loss[b] = -total
        for t in range(n - 1, -1, -1):
            shift = first[b, t + 1] - first[b, t] if t + 1 < n else 0
            top = min(R, labels[b] - first[b, t] + 1)
            for r in range(top - 1, -1, -1):
                value = IMPOSSIBLE
                if t == n - 1:
                    value = blank[b, t, r] if r == end else IMPOSSIBLE
                elif r >= shift:
                    value = beta[t + 1, r - shift] + blank[b, t, r]
                d_blank[b, t, r] = -math.exp(min(0.0, alpha[t, r] + value - total))
                if r + 1 < top:
                    further = beta[t, r + 1] + label[b, t, r]
                    d_label[b, t, r] = -math.exp(min(0.0, alpha[t, r] + further - total))
                    value = _logaddexp(value, further)
                beta[t, r] = value
    return loss, d_blank, d_label
