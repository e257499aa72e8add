"""Parameters of one shape in one tensor: an optimizer's update costs operations for each shape, not each parameter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor

CPU_ELEMENTS = 2**18  # of a stack on the CPU: what an update of it touches stays in the cache

State = dict[str, Tensor]


class Stack:
    """N parameters of one shape that have their gradients together.

    Attributes:
        params: the parameters.
        state: what an optimizer keeps of them, (N, ...) each; `step` (N,) counts their updates.
        done: the same count.
    """

    def __init__(self, params: list[Tensor], state: State, scratch: Tensor) -> None:
        self.params, self.state, self.done = params, state, int(state["step"][0])
        self._scratch = scratch[:, : len(params) * params[0].numel()].view(len(scratch), len(params), *params[0].shape)
        self._rows: dict[str, list[Tensor]] = {}

    def tick(self) -> None:
        """Count an update."""
        self.done += 1
        self.state["step"] += 1

    def flat(self, key: str) -> Tensor:
        """A state as (N, D), D the elements of a parameter."""
        return self.state[key].view(len(self.params), -1)

    def norms(self) -> Tensor:
        """Norms of the gradients, (N,)."""
        return torch.stack(torch._foreach_norm(self._gradients()))

    def gradients(self) -> Tensor:
        """A copy of the gradients, (N, D), until the next call of any stack."""
        return self._copied(self._gradients(), 0)

    def values(self) -> Tensor:
        """A copy of the parameters, (N, D), until the next call of any stack."""
        return self._copied(self.params, 1)

    def scratch(self) -> Tensor:
        """Memory (N, D), until the next call of any stack."""
        return self._scratch[2].view(len(self.params), -1)

    def add(self, key: str) -> None:
        """Move the parameters by a state."""
        if key not in self._rows:
            self._rows[key] = list(self.state[key].unbind())
        torch._foreach_add_(self.params, self._rows[key])

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self.params if p.grad is not None]

    def _copied(self, tensors: list[Tensor], place: int) -> Tensor:
        return torch.stack(tensors, out=self._scratch[place]).view(len(tensors), -1)


class Stacks:
    """The parameters of a group of an optimizer.

    Which parameters stand together is part of their state, so that a resumed run rounds as an undisturbed one.

    Args:
        params: the parameters.
        states: the optimizer's state of each, which becomes a row of a stack's.
        fresh: makes the state of parameters (N, *shape) that have none; it has `step`.
    """

    def __init__(
        self,
        params: Sequence[Tensor],
        states: MutableMapping[Tensor, Any],
        fresh: Callable[[Tensor], State],
    ) -> None:
        self._states, self._fresh = states, fresh
        known: dict[int, list[Tensor]] = defaultdict(list)
        alike: dict[Any, list[Tensor]] = defaultdict(list)
        for p in params:
            if states[p]:
                known[int(states[p]["stack"])].append(p)
            else:
                alike[p.shape, p.dtype, p.device].append(p)
        parts = dict(known)
        for same in alike.values():
            rows = max(1, CPU_ELEMENTS // same[0].numel()) if same[0].device.type == "cpu" else len(same)
            for i in range(0, len(same), rows):
                parts[max(parts, default=-1) + 1] = same[i : i + rows]
        self._scratch: dict[tuple[torch.dtype, torch.device], Tensor] = {}
        for part in sorted(parts.values(), key=lambda part: -len(part) * part[0].numel()):  # the largest first
            if (part[0].dtype, part[0].device) not in self._scratch:
                self._scratch[part[0].dtype, part[0].device] = part[0].new_empty(3, len(part) * part[0].numel())
        self._stacks = {number: self._stack(number, part) for number, part in parts.items()}

    def ready(self) -> list[Stack]:
        """Those that have gradients; a stack in which some parameters have none is divided for good."""
        for number, stack in list(self._stacks.items()):
            having = [p for p in stack.params if p.grad is not None]
            if 0 < len(having) < len(stack.params):
                self._stacks[number] = self._stack(number, having)
                other = max(self._stacks) + 1
                self._stacks[other] = self._stack(other, [p for p in stack.params if p.grad is None])
        return [stack for stack in self._stacks.values() if stack.params[0].grad is not None]

    def _stack(self, number: int, params: list[Tensor]) -> Stack:
        rows = [self._states[p] for p in params]
        if rows[0]:
            state = {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
        else:
            state = self._fresh(torch.stack(params))
        state["stack"] = torch.full((len(params),), number)
        for i, p in enumerate(params):
            self._states[p] = {key: value[i] for key, value in state.items()}
        return Stack(params, state, self._scratch[params[0].dtype, params[0].device])
