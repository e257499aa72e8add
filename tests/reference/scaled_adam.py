"""ScaledAdam (arXiv:2310.11230, section 3.5) one tensor at a time, in float64, with the published settings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

BETA1, BETA2, EPS = 0.9, 0.98, 1e-8
PERIOD, CLIPPING_PERIOD = 4, 100
SMALLEST, LARGEST, SCALAR_MAX = 1e-5, 3.0, 10.0


class ReferenceScaledAdam:
    """Moves copies of the tensors; `step` takes their gradients and returns them."""

    def __init__(self, params: Sequence[Tensor], lr: float, clipping_scale: float = 2.0, share: float = 0.1) -> None:
        self.params = [p.detach().double().clone() for p in params]
        self.lr, self.clipping_scale, self.share = lr, clipping_scale, share
        self.momenta = [torch.zeros_like(p) for p in self.params]
        self.variances = [torch.zeros_like(p) for p in self.params]
        self.sizes = [float(p.square().mean().sqrt()) for p in self.params]
        self.size_grads: list[list[float]] = [[] for _ in self.params]
        self.size_variances = [0.0 for _ in self.params]
        self.norms: list[float] = []
        self.most = math.inf
        self.done = 0

    def step(self, grads: Sequence[Tensor]) -> list[Tensor]:
        factor = self._factor([g.double() for g in grads])
        self.done += 1
        for i, grad in enumerate(grads):
            self._move(i, factor * grad.double())
        return self.params

    def _factor(self, grads: list[Tensor]) -> float:
        if self.done == 0:
            return 1.0
        scales = [self.share if p.numel() == 1 else size for p, size in zip(self.params, self.sizes)]
        norm = math.sqrt(sum(float((scale * grad).square().sum()) for scale, grad in zip(scales, grads)))
        self.norms.append(norm)
        if self.done in (10, 20, 40):
            # the middle, or of two the lower one where their places are 4 and 5 of ten
            self.most = 2 * self.clipping_scale * sorted(self.norms)[self.done // 4 * 2]
        if self.done % CLIPPING_PERIOD == 0:
            self.most = self.clipping_scale * sorted(self.norms[-CLIPPING_PERIOD:])[CLIPPING_PERIOD // 2]
        return min(1.0, self.most / norm)

    def _move(self, i: int, grad: Tensor) -> None:
        p = self.params[i]
        self.variances[i] = BETA2 * self.variances[i] + (1 - BETA2) * grad**2
        direction = grad / ((self.variances[i] / (1 - BETA2**self.done)).sqrt() + EPS)
        if p.numel() == 1:
            change = -self.lr * self.share * direction
        else:
            self.size_grads[i].append(float((p * grad).sum()))
            if self.done % PERIOD == 0:
                self.sizes[i] = float(p.square().mean().sqrt())
            change = -self.lr * max(self.sizes[i], SMALLEST) * direction
            if self.done % PERIOD == 0:
                change = change + p * self._size_step(i)
        self.momenta[i] = BETA1 * self.momenta[i] + (1 - BETA1) * change
        p += self.momenta[i]
        if p.numel() == 1:
            p.clamp_(-SCALAR_MAX, SCALAR_MAX)

    def _size_step(self, i: int) -> float:
        grads, self.size_grads[i] = self.size_grads[i], []
        decay = BETA2**PERIOD
        mean = sum(grad**2 for grad in grads) / PERIOD
        self.size_variances[i] = decay * self.size_variances[i] + (1 - decay) * mean
        correction = math.sqrt(1 - decay ** (self.done // PERIOD))
        step = -self.lr * self.share * correction * sum(grads) / (math.sqrt(self.size_variances[i]) + EPS)
        if self.sizes[i] < SMALLEST:
            return 0.0
        return min(max(-0.1, min(0.1, step)), LARGEST / self.sizes[i] - 1)
