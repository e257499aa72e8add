"""An encoder's step in fixed shapes: a chunk and its state as tensors alone, which other runtimes can compute.

What waits for its chunk, and streams of any age, are the business of `FixedEncoder`, whatever computes the chunk.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder, TapSize
from espnet_jst.errors import ConfigError
from espnet_jst.streams import RowState, Waiting, rows_at, zeroed
from espnet_jst.taps import Tap

COUNTER = "cached"  # the part of every state that counts frames of left context, int64


@dataclass(frozen=True, kw_only=True)
class StepShapes:
    """Shapes of a chunk, without the batch, which comes first everywhere.

    Attributes:
        window: input frames that a chunk reads.
        hop: input frames from the begin of one chunk to that of the next.
        features: of an input frame.
        frames: frames of the layers that it gives.
        factor: input frames for each of them.
        lost: input frames that give none, at either side together.
        state: of every part of the state, by name and in order; `COUNTER` has no further axis.
    """

    window: int
    hop: int
    features: int
    frames: int
    factor: int
    lost: int
    state: dict[str, tuple[int, ...]]

    def heard(self, count: int, begun: bool) -> int:
        """Frames of the layers that `count` input frames fill, of which one row has no more than a window; a stream
        has one at least.
        """
        return max((min(count, self.window) - self.lost) // self.factor, 0 if begun else min(count, 1))


class FixedStep(nn.Module):
    """One chunk of a batch of streams as a function of tensors.

    Attributes:
        shapes: of its arguments.
        tap_sizes: what it gives, in order.
    """

    shapes: StepShapes
    tap_sizes: dict[str, TapSize]

    @abstractmethod
    def forward(self, x: Tensor, count: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """A window (B, W, F), zeros behind the end of a stream, `StepShapes.heard` of each row (B,), its state -> the
        taps (B, T, D), and the state after a full chunk; what a last chunk leaves is not used.
        """

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> list[Tensor]:
        """Every part of the state before the first chunk."""
        return zeros(self.shapes, batch_size, device)


def zeros(shapes: StepShapes, batch_size: int, device: torch.device | str = "cpu") -> list[Tensor]:
    """The state before the first chunk."""
    return [
        torch.zeros(batch_size, *shape, device=device, dtype=torch.long if name == COUNTER else torch.float32)
        for name, shape in shapes.state.items()
    ]


@dataclass
class FixedState(RowState):
    """What streams carry: input frames that wait, whether a row has had a chunk, and the parts of the step's state."""

    pending: Waiting
    begun: list[bool]
    parts: list[Tensor]


class FixedEncoder(StreamingEncoder):
    """The encoder that a fixed step makes, of the one context that it was made for.

    Args:
        shapes: of the step.
        tap_sizes: those of the encoder that the step is of.
        context: the same.
        run: computes the step: a `FixedStep`, or what runs elsewhere. The window, the counts and the state, as one
            list, give the taps and the state.
    """

    def __init__(
        self,
        shapes: StepShapes,
        tap_sizes: dict[str, TapSize],
        context: ChunkContext,
        run: Callable[[list[Tensor]], Sequence[Tensor]],
    ) -> None:
        super().__init__()
        self.shapes, self.tap_sizes, self.context, self.train_contexts = shapes, tap_sizes, context, [context]
        self.run = run

    def check_context(self, context: ChunkContext) -> None:
        """Refuse every other one."""
        own = self.context
        if context != own:
            raise ConfigError(
                f"it was exported for chunks of {own.chunk_frames} frames and {own.left_chunks} chunks of left context "
                "alone: leave them out, or export the model again with others"
            )

    def encode(self, tap: Tap, context: ChunkContext) -> dict[str, Tap]:
        """See StreamingEncoder: chunk by chunk."""
        rows = tap.x.size(0)
        taps, _ = self.step(tap, self.init_state(rows, context, tap.x.device), [True] * rows)
        return taps

    def init_state(self, batch_size: int, context: ChunkContext, device: torch.device | str = "cpu") -> FixedState:
        self.check_context(context)
        pending = Waiting.none(batch_size, self.shapes.features, device=device)
        return FixedState(pending, [False] * batch_size, zeros(self.shapes, batch_size, device))

    def ready(self, frames: int, context: ChunkContext) -> dict[str, int]:
        shapes = self.shapes
        complete = shapes.frames * max(0, 1 + (frames - shapes.window) // shapes.hop)
        return {name: complete * shapes.factor // factor for name, (_, factor) in self.tap_sizes.items()}

    def step(self, tap: Tap, state: FixedState, last: Sequence[bool]) -> tuple[dict[str, Tap], FixedState]:
        """See StreamingEncoder; several complete chunks are run one after the other, with the rows that have one."""
        shapes = self.shapes
        waiting = state.pending.append(tap.x, tap.lengths.tolist())
        left, passed, begun = list(waiting.counts), [0] * len(last), list(state.begun)
        parts, found, total = state.parts, list[dict[str, Tensor]](), [0] * len(last)
        while True:
            heard = [shapes.heard(n, one) for n, one in zip(left, begun, strict=True)]
            rows = [row for row, n in enumerate(left) if (heard[row] > 0 if last[row] else n >= shapes.window)]
            if not rows:
                break
            taps, parts = self._run(self._window(waiting, passed, left), heard, parts, rows)
            found.append(taps)
            for row in rows:
                moved = min(shapes.hop, left[row])
                left[row], passed[row], begun[row] = left[row] - moved, passed[row] + moved, True
                total[row] += min(heard[row], shapes.frames)
        pending = waiting.drop(
            [n if ends else gone for n, gone, ends in zip(waiting.counts, passed, last, strict=True)]
        )
        made = torch.tensor(total) * shapes.factor
        x = {name: self._joined([taps[name] for taps in found], name, tap.x) for name in self.tap_sizes}
        offered = {
            name: one._replace(x=one.x[:, : int(one.lengths.max())])
            for name, one in self.named(x, made, tap.shift_s).items()
        }
        return offered, replace(state, pending=pending, begun=begun, parts=parts)

    def _window(self, waiting: Waiting, begin: Sequence[int], left: Sequence[int]) -> Tensor:
        """Of each row the window that begins at its place, zeros behind what is there."""
        size = self.shapes.window
        place = torch.tensor(list(begin), device=waiting.x.device)[:, None] + torch.arange(
            size, device=waiting.x.device
        )
        return zeroed(rows_at(waiting.x, place.clamp(max=waiting.x.size(1) - 1)), left)

    def _run(
        self, x: Tensor, heard: Sequence[int], parts: list[Tensor], rows: list[int]
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """A chunk of some rows: the taps of all, zeros in the others, and the state of all."""
        every, count = len(rows) == len(heard), torch.tensor(list(heard), device=x.device)
        index = torch.tensor(rows, device=x.device)
        arguments = [x, count, *parts] if every else [value[index] for value in (x, count, *parts)]
        results = list(self.run(arguments))
        taps, after = results[: len(self.tap_sizes)], results[len(self.tap_sizes) :]
        if not every:
            taps = [y.new_zeros(len(heard), *y.shape[1:]).index_copy_(0, index, y) for y in taps]
            after = [old.index_copy(0, index, new) for old, new in zip(parts, after, strict=True)]
        return dict(zip(self.tap_sizes, taps, strict=True)), after

    def _joined(self, pieces: Sequence[Tensor], name: str, x: Tensor) -> Tensor:
        if pieces:
            return torch.cat(list(pieces), dim=1)
        return x.new_zeros(x.size(0), 0, self.tap_sizes[name].size)


def counted(counter: Tensor, frames: int, limit: int) -> Tensor:
    """Frames of left context after a full chunk, (B,)."""
    return (counter + frames).clamp(max=limit)
