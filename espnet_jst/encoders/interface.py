"""What the model asks of an encoder: named outputs with rates of their own, and a step with explicit state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.streams import RowState
from espnet_jst.taps import Tap


@dataclass(frozen=True)
class ChunkContext:
    """How much an output frame may hear.

    Attributes:
        chunk_frames: frames of a chunk, at the rate of the encoder's top; frames of a chunk see each other. 0 means the
            whole utterance.
        left_chunks: chunks before its own that a frame sees; -1 means all.
        look_ahead_frames: frames behind the chunk that are heard with it, by an encoder of blocks that overlap.
    """

    chunk_frames: int = 0
    left_chunks: int = -1
    look_ahead_frames: int = 0

    def mask(self, frames: int, device: torch.device | str = "cpu", *, scale: int = 1) -> Tensor | None:
        """(frames, frames), True where the row's frame may attend to the column's; None where all may.

        Args:
            frames: their number.
            device: where the mask is made.
            scale: frames of the layer for each one of the top.
        """
        if self.chunk_frames <= 0:
            return None
        chunk = torch.arange(frames, device=device) // (self.chunk_frames * scale)
        distance = chunk[:, None] - chunk
        mask = distance >= 0
        return mask if self.left_chunks < 0 else mask & (distance <= self.left_chunks)


class TapSize(NamedTuple):
    """Features of an output, and how many input frames go into one of its frames."""

    size: int
    factor: int


class StreamingEncoder(AbsEncoder):
    """An encoder whose whole-utterance output under a chunk mask equals its chunk-by-chunk output.

    It is causal beyond the chunk, and a batch may hold streams of any age.

    Attributes:
        tap_sizes: the outputs; "" is the top, other names are lower layers.
        context: the chunk and left context used when none is given (validation, decoding by default).
        train_contexts: those that a training draws from.
    """

    tap_sizes: dict[str, TapSize]
    context: ChunkContext
    train_contexts: Sequence[ChunkContext]

    @abstractmethod
    def encode(self, tap: Tap, context: ChunkContext) -> dict[str, Tap]:
        """Whole utterances (B, T, F) -> every tap, ceil(T / factor) frames of each."""

    @abstractmethod
    def init_state(self, batch_size: int, context: ChunkContext, device: torch.device | str = "cpu") -> RowState:
        """State before the first frame."""

    @abstractmethod
    def step(self, tap: Tap, state: Any, last: Sequence[bool]) -> tuple[dict[str, Tap], RowState]:
        """Further input frames of each row, any number of them -> every tap of the chunks that are complete, state.

        Args:
            tap: (B, t, F); rows of length 0 stand still.
            state: of these rows.
            last: for each row, whether nothing follows: then all its frames come out.
        """

    @abstractmethod
    def ready(self, frames: int, context: ChunkContext) -> dict[str, int]:
        """Frames of every tap that `step` has given after so many input frames of a stream that goes on."""

    def check_context(self, context: ChunkContext) -> None:
        """Refuse a chunk or context that this encoder cannot have; by default a look-ahead.

        Raises:
            ConfigError: says what to give.
        """
        if context.look_ahead_frames:
            raise ConfigError("it hears its chunk and what lies before, and no look-ahead: give 0, or a longer chunk")

    def written(self) -> dict[str, Any]:
        """Keys that a training writes into its `_conf`, so that a trained model is built from its own files."""
        return {}

    def output_size(self) -> int:
        """Features of a frame of the top."""
        return self.tap_sizes[""].size

    def named(self, x: Mapping[str, Tensor], lengths: Tensor, shift_s: float) -> dict[str, Tap]:
        """Outputs, with their own lengths and shifts, from those of the input; lengths are rounded up."""
        return {
            name: Tap(y, -(-lengths // self.tap_sizes[name].factor), shift_s * self.tap_sizes[name].factor)
            for name, y in x.items()
        }

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """ESPnet's signature: the top under its own context, in training under one drawn by torch's generator."""
        context = self.context
        if self.training:
            context = self.train_contexts[int(torch.randint(len(self.train_contexts), ()))]
        top = self.encode(Tap(xs_pad, ilens, 1.0), context)[""]
        return top.x, top.lengths, None
