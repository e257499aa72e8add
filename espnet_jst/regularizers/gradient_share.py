"""How large the gradient of one term is beside that of all others, at the tensor where it begins to act."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


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
