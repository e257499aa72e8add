"""When a chunk can be computed: how many samples must have been heard for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from espnet_jst.errors import ConfigError
from espnet_jst.model import JSTModel
from espnet_jst.taps import Tap

MAX_CHUNK_S = 60.0  # a chunk is computed at once, with memory of its length squared


@dataclass(frozen=True)
class ChunkSchedule:
    """The chunks of one setting of a model.

    Attributes:
        chunk_frames: frames of a chunk at the first encoder's output; 0 is the whole utterance.
        left_chunks: chunks of left context, None for the model's own.
        chunk_s: seconds of a chunk; 0 for the whole utterance.
        first_samples: samples that the first chunk needs: the chunk and what the last analysis window reaches beyond.
        period_samples: further samples for each further chunk.
        tap_frames: for each encoder, the frames of its own chunk; 0 is the whole utterance.
    """

    chunk_frames: int
    left_chunks: int | None
    chunk_s: float
    first_samples: int
    period_samples: int
    tap_frames: dict[str, int]

    def samples(self, chunk: int) -> int:
        """Samples that must have been heard before chunk number `chunk` (from 0) can be computed."""
        return self.first_samples + chunk * self.period_samples

    def complete_chunks(self, samples: int) -> int:
        """Chunks that `samples` samples complete."""
        if not self.chunk_frames or samples < self.first_samples:
            return 0
        return (samples - self.first_samples) // self.period_samples + 1

    def frames(self, name: str, tap: Tap, chunk: int) -> int:
        """Frames of a tap that are complete after chunk number `chunk`; `name` is the tap's."""
        own = self.tap_frames[name.split(".")[0]]
        if not own:
            return 0
        heard = round((chunk + 1) * self.chunk_s / tap.shift_s)
        return heard - heard % own


def encoder_shift_s(model: JSTModel) -> float:
    """Seconds from one output frame of the first encoder to the next."""
    return model.frame_shift_s * model.encoder.subsampling


@torch.no_grad()
def chunk_schedule(model: JSTModel, chunk_s: float | None, left_chunks: int | None) -> ChunkSchedule:
    """The schedule for a chunk of `chunk_s` seconds (None: the model's own; 0 or infinity: the whole utterance).

    The samples that a chunk needs are found by asking the model, so a frontend with another window needs no change.

    Raises:
        ConfigError: the chunk is negative or shorter than a frame.
    """
    shift_s = encoder_shift_s(model)
    chunk_frames = model.encoder.context.chunk_frames
    if chunk_s is not None:
        if chunk_s < 0 or chunk_s != chunk_s:
            raise ConfigError(f"chunk_s={chunk_s} must be positive, or 0 for the whole utterance")
        whole = chunk_s == 0 or chunk_s == float("inf")
        chunk_frames = 0 if whole else round(chunk_s / shift_s)
        if not whole and chunk_frames < 1:
            raise ConfigError(f"chunk_s={chunk_s} is shorter than one encoder frame: give at least {shift_s:g} s")
    if chunk_frames * shift_s > MAX_CHUNK_S:
        raise ConfigError(
            f"a chunk of {chunk_frames * shift_s:g} s is over {MAX_CHUNK_S:g} s: give chunk_s 0 for whole utterances"
        )
    if not chunk_frames:
        return ChunkSchedule(0, left_chunks, 0.0, 0, 0, {name: 0 for name, _, _ in model.chain()})
    contexts = model.contexts(chunk_frames, left_chunks)
    tap_frames = {name: context.chunk_frames for name, context in contexts.items()}
    period = round(chunk_frames * shift_s * model.fs)
    low, high = 0, period
    while not _gives_a_chunk(model, high, chunk_frames, left_chunks):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = _gives_a_chunk(model, middle, chunk_frames, left_chunks)
        low, high = (low, middle) if enough else (middle, high)
    return ChunkSchedule(chunk_frames, left_chunks, chunk_frames * shift_s, high, period, tap_frames)


def _gives_a_chunk(model: JSTModel, samples: int, chunk_frames: int, left_chunks: int | None) -> bool:
    device = next(model.parameters()).device
    state = model.init_state(1, chunk_frames=chunk_frames, left_chunks=left_chunks)
    taps, _ = model.step(torch.zeros(1, samples, device=device), state)
    return taps["encoder"].x.size(1) > 0
