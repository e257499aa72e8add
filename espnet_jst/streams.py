"""State of a batch of streams of any age: a row a stream, rows can be taken out and put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from espnet_jst.errors import DataError
from espnet_jst.taps import Tap


@dataclass
class RowState:
    """What streams carry from step to step: a dataclass of tensors with the batch first, of lists with an entry a row,
    and of other states (in lists, tuples and mappings, or None). Anything else is a setting that all rows share, and
    only streams of equal settings can be put together.

    Stepping never changes a state: who keeps one can go back to it.
    """

    def select(self, index: Tensor) -> Self:
        """The rows `index` (N,), in that order."""
        return replace(self, **{f.name: _select(getattr(self, f.name), index) for f in fields(self)})

    @classmethod
    def concat(cls, states: Sequence[Self]) -> Self:
        """The rows of several states, one after the other."""
        first = states[0]
        if len(states) == 1:
            return first
        return replace(first, **{f.name: _concat([getattr(state, f.name) for state in states]) for f in fields(first)})


@dataclass
class Waiting(RowState):
    """Frames that wait, as many as each row has.

    Attributes:
        x: (B, T, ...), of row b the first `counts[b]` are valid, the others zero.
        counts: how many wait in each row.
    """

    x: Tensor
    counts: list[int]

    @classmethod
    def none(cls, batch_size: int, *size: int, device: torch.device | str = "cpu") -> Waiting:
        """Nothing waits yet; `size` is that of a frame."""
        return cls(torch.zeros(batch_size, 0, *size, device=device), [0] * batch_size)

    def append(self, x: Tensor, counts: Sequence[int]) -> Waiting:
        """With further frames (B, n, ...) behind them, the first `counts` of each row."""
        total = [a + b for a, b in zip(self.counts, counts, strict=True)]
        old, longest = self.x.size(1), max(total, default=0)
        if all(count == old for count in self.counts):
            if old == 0 and x.size(1) == longest:
                return Waiting(zeroed(x, counts), total)
            return Waiting(torch.cat([self.x, zeroed(x, counts)[:, : longest - old]], dim=1), total)
        joined = padded(self.x, max(old, max(self.counts) + x.size(1)))
        place = torch.tensor(self.counts, device=x.device)[:, None] + torch.arange(x.size(1), device=x.device)
        joined[torch.arange(x.size(0), device=x.device)[:, None], place] = zeroed(x, counts)
        return Waiting(joined[:, :longest], total)

    def drop(self, counts: Sequence[int]) -> Waiting:
        """Without the first `counts` of each row."""
        left = [a - b for a, b in zip(self.counts, counts, strict=True)]
        longest = max(left, default=0)
        if len(set(counts)) == 1 or not longest:
            return Waiting(self.x[:, counts[0] :][:, :longest], left)
        place = torch.arange(longest, device=self.x.device)
        index = place + torch.tensor(list(counts), device=self.x.device)[:, None]
        return Waiting(zeroed(rows_at(self.x, index.clamp(max=self.x.size(1) - 1)), left), left)

    @classmethod
    def concat(cls, states: Sequence[Waiting]) -> Waiting:
        longest = max(state.x.size(1) for state in states)
        x = torch.cat([padded(state.x, longest) for state in states])
        return cls(x, [count for state in states for count in state.counts])


def step_whole(
    heard: Tap,
    waiting: Waiting,
    last: Sequence[bool],
    embed: Callable[[Tensor, Tensor], Tap],
    size: int,
    shift_s: float,
) -> tuple[Tap, Waiting]:
    """Of what hears whole utterances: further samples (or frames) of each row -> the frames of those that end now, and
    what waits of the others.

    Args:
        heard: samples (B, n), or frames (B, n, F), of each row the first `lengths`.
        waiting: all that these streams have heard so far.
        last: for each row, whether nothing follows.
        embed: whole utterances and their lengths (N,) -> their frames.
        size: features of a frame.
        shift_s: seconds from one frame to the next.

    Raises:
        DataError: whatever `embed` refuses; `index` is the row here.
    """
    waiting = waiting.append(heard.x, heard.lengths.tolist())
    ended = [row for row, ends in enumerate(last) if ends and waiting.counts[row]]
    counts = torch.zeros(len(last), dtype=torch.long)
    if not ended:
        return Tap(heard.x.new_zeros(len(last), 0, size), counts, shift_s), waiting
    rows = torch.tensor(ended)
    whole = waiting.select(rows)
    try:
        tap = embed(whole.x[:, : max(whole.counts)], torch.tensor(whole.counts, device=whole.x.device))
    except DataError as error:
        raise DataError(str(error), index=None if error.index is None else ended[error.index]) from error
    frames = tap.x.new_zeros(len(last), *tap.x.shape[1:])
    frames[rows.to(frames.device)] = tap.x
    counts[rows] = tap.lengths.cpu()
    passed = [count if ends else 0 for count, ends in zip(waiting.counts, last, strict=True)]
    return Tap(frames, counts, shift_s), waiting.drop(passed)


def device_of(module: nn.Module) -> torch.device:
    """Where a module computes, and its states are: with its weights; on the CPU, if it has none of its own."""
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))


def zeroed(x: Tensor, counts: Sequence[int]) -> Tensor:
    """(B, T, ...) with zeros behind the first `counts` frames of each row."""
    if all(count >= x.size(1) for count in counts):
        return x
    valid = torch.arange(x.size(1), device=x.device) < torch.tensor(list(counts), device=x.device)[:, None]
    # Not a product: what stands behind may be anything, even not a number.
    return x.masked_fill(~valid.view(*valid.shape, *[1] * (x.dim() - 2)), 0.0)


def rows_at(x: Tensor, index: Tensor) -> Tensor:
    """(B, T, ...) at places (B, n) of each row, (B, n, ...)."""
    return x[torch.arange(x.size(0), device=x.device)[:, None], index]


def padded(x: Tensor, frames: int) -> Tensor:
    """(B, T, ...) with zeros behind, (B, frames, ...)."""
    if x.size(1) == frames:
        return x
    return torch.cat([x, x.new_zeros(x.size(0), frames - x.size(1), *x.shape[2:])], dim=1)


def _select(value: Any, index: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value[index.to(value.device)]
    if isinstance(value, RowState):
        return value.select(index)
    if isinstance(value, Mapping):
        return {key: _select(entry, index) for key, entry in value.items()}
    if isinstance(value, tuple):  # of parts; a list has an entry a row, unless its entries are states or tensors
        return tuple(_select(entry, index) for entry in value)
    if isinstance(value, list):
        if value and isinstance(value[0], (RowState, Tensor)):
            return [_select(entry, index) for entry in value]
        return [value[row] for row in index.tolist()]
    return value


def _concat(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    if isinstance(first, RowState):
        return type(first).concat(values)
    if isinstance(first, Mapping):
        return {key: _concat([value[key] for value in values]) for key in first}
    if isinstance(first, tuple):
        return tuple(_concat(parts) for parts in zip(*values, strict=True))
    if isinstance(first, list):
        if first and isinstance(first[0], (RowState, Tensor)):
            return [_concat(parts) for parts in zip(*values, strict=True)]
        return [entry for value in values for entry in value]
    if any(value != first for value in values):
        raise ValueError(f"streams of different settings cannot share a batch: {first} and others")
    return first
