"""When a chunk can be computed: how many samples must have been heard for it."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_jst.encoders.chain import FIRST, ChainContext, LeftChunks
from espnet_jst.errors import ConfigError
from espnet_jst.model import JSTModel

NEVER = 2**62  # samples
MAX_CHUNK_S = 60.0  # a chunk is computed at once, with memory of its length squared


@dataclass(frozen=True)
class ChunkSchedule:
    """The chunks of one setting of a model.

    Attributes:
        model: the model, which knows how many frames of a tap some samples make.
        context: chunk and left context of every encoder.
        chunk_s: seconds of a chunk of the first encoder; 0 for the whole utterance.
        first_samples: samples that the first chunk needs: the chunk and what the last analysis window reaches beyond.
        period_samples: further samples for each further chunk.
    """

    model: JSTModel
    context: ChainContext
    chunk_s: float
    first_samples: int
    period_samples: int

    @property
    def chunk_frames(self) -> int:
        """Frames of a chunk at the first encoder's top; 0 is the whole utterance."""
        return self.context.chunk_frames

    def samples(self, chunk: int) -> int:
        """Samples that must have been heard before chunk number `chunk` (from 0) can be computed."""
        return self.first_samples + chunk * self.period_samples

    def complete_chunks(self, samples: int) -> int:
        """Chunks that `samples` samples complete."""
        if not self.chunk_frames or samples < self.first_samples:
            return 0
        return (samples - self.first_samples) // self.period_samples + 1

    def frames(self, tap: str, chunk: int) -> int:
        """Frames of a tap that are complete after chunk number `chunk`; of an upper encoder with longer chunks, or one
        that hears the whole utterance, fewer than of the first.
        """
        return frames_ready(self.model, self.samples(chunk), self.context)[tap]


def frames_ready(model: JSTModel, samples: int, context: ChainContext) -> dict[str, int]:
    """Frames of every tap that a stream has after so many samples, and may have before its end."""
    return model.chain.ready(model.source.ready(samples), context)


def chunk_schedule(
    model: JSTModel, chunk_s: float | None, left_chunks: LeftChunks, look_ahead_s: float | None = None
) -> ChunkSchedule:
    """The schedule for a chunk of `chunk_s` seconds (None: the model's own; 0 or infinity: the whole utterance).

    Raises:
        ConfigError: the chunk is negative, shorter than a frame, or too long (see Chain.given).
    """
    context = model.chain.given(chunk_s, left_chunks, look_ahead_s)
    chunk_s = context.chunk_frames * model.chain.shifts_s[FIRST]
    if chunk_s > MAX_CHUNK_S:
        raise ConfigError(f"a chunk of {chunk_s:g} s is over {MAX_CHUNK_S:g} s: give chunk_s 0 for whole utterances")
    if not context.chunk_frames:
        return ChunkSchedule(model, context, 0.0, 0, 0)
    if model.source.whole:  # the encoders see no more than their chunks, but all of them at the end
        return ChunkSchedule(model, context, chunk_s, NEVER, 1)
    period = round(chunk_s * model.fs)
    low, high = 0, period
    while not frames_ready(model, high, context)[FIRST]:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = frames_ready(model, middle, context)[FIRST] > 0
        low, high = (low, middle) if enough else (middle, high)
    return ChunkSchedule(model, context, chunk_s, high, period)
