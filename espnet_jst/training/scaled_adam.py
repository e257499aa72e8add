"""ScaledAdam, the optimizer of the Zipformer (arXiv:2310.11230, section 3.5): every tensor moves in proportion to its
own size, and the size of each is learnt beside its direction.

For a tensor p with gradient g, root mean square r and learning rate a; b1, b2 are `betas`, s is `scalar_lr_scale`:

    v <- b2 v + (1 - b2) g^2
    d  = -a max(r, min_rms) g / (sqrt(v / (1 - b2^n)) + eps)            in update n, from 1
    d  = d + z p                                                        in every `size_update_period`-th update
    delta <- b1 delta + (1 - b1) d;   p <- p + delta

z is the step of the tensor's size. h_1 .. h_k are the sums of p g in the updates since the last one, c = b2^k:

    w <- c w + (1 - c) mean(h^2)
    z  = -a s sqrt(1 - c^m) sum(h) / (sqrt(w) + eps)                    in size update m, from 1

z is 0 where r is below `param_min_rms`, at most 0.1 either way, and never brings r above `param_max_rms`. r is measured
when the training starts and before each size update. A tensor of one number has no size: d = -a s g / (...), and the
number is kept within +-`scalar_max`. An update does not depend on the scale of the gradient, as long as that is well
above `eps`.

Before all that the gradients are clipped. The norm of a model's gradient is that of all r g (s g where a tensor is one
number). It may be at most `clipping_scale` times the median of the last `clipping_update_period` (100) norms, which is
taken anew in every 100th update. So that the first hundred are not left alone, it is also taken after 10, 20 and 40,
of the norms so far, with twice the scale; nothing is clipped in the first ten updates.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.keys import takes
from espnet_jst.training.conf import ScaledAdamConf
from espnet_jst.training.hooks import ModelOptimizer
from espnet_jst.training.stacks import Stack, Stacks, State

EARLY = (10, 20, 40)  # updates after which the limit of the gradient is taken from few norms, doubled
MOST_SIZE_STEP = 0.1

Group = dict[str, Any]


class ScaledAdam(ModelOptimizer, torch.optim.Optimizer):
    """`--optim scaled_adam`: see the top of this file.

    A parameter without a gradient is left alone, as by PyTorch's optimizers. Where a gradient is not finite, no
    parameter of its group moves, and nothing is remembered of it.

    Args:
        params: parameters, or groups of them; each group has its own limit of the gradient.
    """

    clips = True

    @takes(ScaledAdamConf)
    def __init__(self, params: Iterable[Any], conf: ScaledAdamConf) -> None:
        self._stacks: dict[int, Stacks] = {}  # of each group, by its place
        super().__init__(params, asdict(conf))

    @staticmethod
    def groups(model: nn.Module) -> list[dict[str, Any]]:
        """One group, because the gradient is clipped as a whole."""
        return [{"params": [p for p in model.parameters() if p.requires_grad]}]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Called when a state is loaded and when the optimizer is copied: stacks are made anew from the states."""
        super().__setstate__(state)
        self._stacks = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One update."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for number, group in enumerate(self.param_groups):
            if number not in self._stacks:
                fresh = partial(_fresh, period=group["size_update_period"])
                self._stacks[number] = Stacks(group["params"], self.state, fresh)
            stacks = self._stacks[number].ready()
            norm = _norm(stacks, group)
            if stacks and math.isfinite(norm):
                factor = _clipping(norm, group)
                for stack in stacks:
                    _update(stack, group, factor)
        return loss


def _fresh(p: Tensor, period: int) -> State:
    """The state of parameters (N, *shape) before their first update."""
    state = {"step": torch.zeros(len(p), dtype=torch.int64)}
    state |= {"delta": p.new_zeros(p.shape), "exp_avg_sq": p.new_zeros(p.shape)}
    if p[0].numel() > 1:
        rms = _rms(p.reshape(len(p), -1))
        state |= {"rms": rms, "size_avg_sq": torch.zeros_like(rms), "size_grads": p.new_zeros(len(p), period)}
    return state


def _rms(p: Tensor) -> Tensor:
    """(N, D) -> (N,)."""
    return torch.linalg.vector_norm(p, dim=1) / p.size(1) ** 0.5


def _norm(stacks: Sequence[Stack], group: Group) -> float:
    """The norm of a group's gradient, as its limit means it."""
    norms = [stack.norms() * _scale(stack, group) for stack in stacks]
    values = torch.cat(norms).tolist() if norms else []
    return math.sqrt(math.fsum(value * value for value in values))  # the same in every order, after a resume too


def _scale(stack: Stack, group: Group) -> Tensor | float:
    """How far a gradient moves the parameters of a stack, in proportion, (N,)."""
    return stack.state["rms"] if "rms" in stack.state else group["scalar_lr_scale"]


def _clipping(norm: float, group: Group) -> float:
    """What the gradient of a group is to be multiplied by; remembers its norm."""
    done, period, scale = group.get("updates", 0), group["clipping_update_period"], group["clipping_scale"]
    group["updates"] = done + 1
    if done == 0:  # the first gradient says little of those to come
        return 1.0
    norms = group["norms"] = [*group.get("norms", []), norm][-period:]
    early = done in EARLY and done < period
    if early or done % period == 0:
        before = group.get("most_norm", math.inf)
        group["most_norm"] = sorted(norms)[len(norms) // 4 * 2] * scale * (2 if early else 1)
        over = sum(norm > before for norm in norms)
        logging.info(
            f"scaled_adam: {over} of the last {len(norms)} gradients were clipped; their norm may now be at most "
            f"{group['most_norm']:.3g}"
        )
    most = group.get("most_norm", math.inf)
    return most / norm if norm > most else 1.0


def _update(stack: Stack, group: Group, factor: float) -> None:
    """Move the parameters of a stack along their gradients times `factor`."""
    (beta1, beta2), lr, state = group["betas"], group["lr"], stack.state
    stack.tick()
    grad, delta, variance = stack.gradients(), stack.flat("delta"), stack.flat("exp_avg_sq")
    if factor != 1.0:
        grad.mul_(factor)
    delta.mul_(beta1)
    if "rms" in state:
        _change_size(stack, grad, group)
    variance.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    correction = (1 - beta2**stack.done) ** 0.5
    spread = torch.sqrt(variance, out=stack.scratch()).add_(group["eps"] * correction)
    if "rms" in state:
        spread.div_(state["rms"].clamp(min=group["param_min_rms"])[:, None])
    else:
        lr *= group["scalar_lr_scale"]
    delta.addcdiv_(grad, spread, value=-lr * correction * (1 - beta1))
    stack.add("delta")
    if "rms" not in state:
        torch._foreach_clamp_min_(stack.params, -group["scalar_max"])
        torch._foreach_clamp_max_(stack.params, group["scalar_max"])


def _change_size(stack: Stack, grad: Tensor, group: Group) -> None:
    """Remember h of the equations; where it is time, measure r and add z p to the momentum of this update."""
    state, period, eps, p = stack.state, group["size_update_period"], group["eps"], stack.values()
    grads = state["size_grads"]
    grads[:, (stack.done - 1) % period] = torch.mul(p, grad, out=stack.scratch()).sum(dim=1)
    if stack.done % period:
        return
    rms = state["rms"].copy_(_rms(p))
    decay = group["betas"][1] ** period
    average = state["size_avg_sq"].mul_(decay).add_(grads.square().mean(dim=1), alpha=1 - decay)
    correction = (1 - decay ** (stack.done // period)) ** 0.5
    size = -group["lr"] * group["scalar_lr_scale"] * correction * grads.sum(dim=1) / (average.sqrt() + eps)
    size = size.clamp(-MOST_SIZE_STEP, MOST_SIZE_STEP).masked_fill(rms < group["param_min_rms"], 0.0)
    size = torch.minimum(size, group["param_max_rms"] / rms - 1)
    stack.flat("delta").addcmul_(p, size[:, None], value=1 - group["betas"][0])
