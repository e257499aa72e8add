"""How large the gradient of one term is beside that of all others, at the tensor where it begins to act."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from espnet_jst.regularizers.interface import Regularizer

MOMENTUM = 0.9  # of the weight that follows the gradients, by its logarithm


class SharedGradient(Regularizer):
    """A term whose gradient is compared with that of all other terms where it begins to act, and reported.

    Args:
        weight: its factor; with a share what it begins with.
        share: of that gradient, which the weight is to keep; None: the weight is fixed.
    """

    part_names = ("loss", "weighted", "gradient")

    def __init__(self, *, weight: float, share: float | None) -> None:
        super().__init__()
        self.share = share
        if share is None:
            self.weight = weight
        else:
            self.register_buffer("weight", torch.tensor(weight))
        self._measured: Tensor | None = None

    def followed(self, loss: Tensor, learner: Tensor) -> dict[str, Tensor]:
        """The parts of a loss (B,) that acts on `learner`; its gradient is measured in the backward pass to come."""
        watch(loss, learner, self._follow)
        nothing = loss.new_full((), math.nan)
        gradient = nothing if self._measured is None else self._measured  # of the step before
        return {"loss": loss.detach(), "weighted": self.weight * loss.detach(), "gradient": gradient.expand(len(loss))}

    def _follow(self, ratio: Tensor) -> None:
        """The gradient of this step is known: remember it, and move the weight for the next one."""
        self._measured = ratio.detach()
        if self.share is None:
            return
        step = (self.share / self._measured).pow(1.0 - MOMENTUM)
        step = torch.where(step.isfinite() & (step > 0), step, 1.0)  # a batch whose gradient is not finite
        self.weight = self.weight * step.clamp(0.5, 2.0)


def watch(loss: Tensor, learner: Tensor, tell: Callable[[Tensor], None]) -> None:
    """Measure in the backward pass that follows; it costs the term's own one, from `loss` to `learner`, once more.

    Args:
        loss: of the term, unweighted, (B,); its mean, times the term's weight, is one of the terms of the sum.
        learner: what the term reads, and others too.
        tell: gets the norm of the weighted term's gradient for `learner` over that of all others'; a factor on the
            whole sum (accumulation of batches, loss scaling) falls out.
    """
    if not (loss.requires_grad and learner.requires_grad):
        return
    [own] = torch.autograd.grad(loss.mean(), learner, retain_graph=True)
    own, factors = own.float(), []

    def arrived(gradient: Tensor) -> None:
        factors.append(gradient.sum())  # of the mean, in what is differentiated

    def learnt(gradient: Tensor) -> None:
        if not factors:  # another term asks for its own gradient
            return
        mine = factors.pop() * own
        tell(mine.norm() / (gradient.float() - mine).norm())

    # A tensor's hook waits for all of its gradient, and that of `loss` comes first on the way to `learner`.
    loss.register_hook(arrived)
    learner.register_hook(learnt)
