"""What the model asks of an encoder: named outputs, a frame shift, and a step with explicit state."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from torch import Tensor


@dataclass(frozen=True)
class ChunkContext:
    """How much an output frame may hear.

    Attributes:
        chunk_frames: output frames of a chunk; frames of a chunk see each other. 0 means the whole utterance.
        left_chunks: chunks before its own that a frame sees; -1 means all.
    """

    chunk_frames: int = 0
    left_chunks: int = -1

    def mask(self, frames: int, device: torch.device | str = "cpu") -> Tensor | None:
        """(frames, frames), True where the row's frame may attend to the column's; None where all may."""
        if self.chunk_frames <= 0:
            return None
        chunk = torch.arange(frames, device=device) // self.chunk_frames
        distance = chunk[:, None] - chunk
        mask = distance >= 0
        return mask if self.left_chunks < 0 else mask & (distance <= self.left_chunks)


class StreamingEncoder(AbsEncoder):
    """An encoder whose whole-utterance output under a chunk mask equals its chunk-by-chunk output.

    Attributes:
        subsampling: input frames for one output frame.
        tap_sizes: names of the outputs and their feature sizes; "" is the top, other names are lower layers.
        context: the chunk and left context used when none is given (validation, decoding by default).
    """

    subsampling: int
    tap_sizes: dict[str, int]
    context: ChunkContext

    @abstractmethod
    def encode(self, x: Tensor, lengths: Tensor, context: ChunkContext) -> tuple[dict[str, Tensor], Tensor]:
        """(B, T, F) and lengths -> taps, each (B, ceil(T / subsampling), D), and their common lengths."""

    @abstractmethod
    def training_context(self) -> ChunkContext:
        """A chunk and left context drawn for one training batch."""

    @abstractmethod
    def init_state(self, batch_size: int, context: ChunkContext, device: torch.device | str = "cpu") -> Any:
        """State before the first frame."""

    @abstractmethod
    def step(self, x: Tensor, state: Any, *, last: bool = False) -> tuple[dict[str, Tensor], Any]:
        """(B, t, F) further input frames, any t -> taps of the chunks that are complete (all when `last`), state."""

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """ESPnet's signature: the top output under the default context."""
        taps, lengths = self.encode(xs_pad, ilens, self.training_context() if self.training else self.context)
        return taps[""], lengths, None
