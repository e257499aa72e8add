"""What the layers of a stack must know of the frames that they get."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_jst.encoders.interface import ChunkContext


@dataclass(frozen=True)
class Extent:
    """Frames of a batch at one rate.

    Attributes:
        lengths: valid frames of each row, (B,).
        ends: where a row ends for what repeats its last frame, or looks at it from its end; the lengths, if padding is
            not let in, (B,).
        valid: (B, T, 1), zero behind the end of each row; None where all frames are valid.
        bias: what is added to attention scores, (B or 1, 1, T or 1, S) for S keys, of which the last T are these
            frames; None where every frame attends to all keys. With a band every chunk is a row of its own.
        chunk: frames that hear each other; 0 for all.
        left: keys before these frames.
        band: if there is one, attention is computed chunk by chunk, with so many frames before each.
    """

    lengths: Tensor
    ends: Tensor
    valid: Tensor | None
    bias: Tensor | None
    chunk: int
    left: int = 0
    band: int | None = None


BLOCKED = -1000.0  # exp of it is 0, and a frame without any key is no NaN


def bias_of(mask: Tensor) -> Tensor:
    """What is added to scores: nothing where the mask is true."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, BLOCKED)


def whole_extent(lengths: Tensor, ends: Tensor, frames: int, context: ChunkContext, *, bands: bool) -> Extent:
    """Of a batch of whole utterances.

    Args:
        lengths: see Extent.
        ends: see Extent.
        frames: T.
        context: chunk and left context, in these frames.
        bands: whether attention may be computed chunk by chunk; what stands in padding differs then.
    """
    device, chunk = lengths.device, context.chunk_frames
    valid = torch.arange(frames, device=device) < lengths[:, None]
    all_valid = bool(valid.all())
    shown = None if all_valid else valid[..., None]
    left = context.left_chunks * chunk
    if bands and chunk and left >= 0 and 2 * (left + chunk) <= frames:
        key = torch.arange(0, frames, chunk, device=device)[:, None] + torch.arange(-left, chunk, device=device)
        bias = bias_of(((key >= 0) & (key < lengths[:, None, None])).flatten(0, 1))[:, None, None]
        return Extent(lengths, ends, shown, bias, chunk, band=left)
    # Both masks together: a frame in padding has no key at all, which is no harm.
    chunks, keys = context.mask(frames, device), valid[:, None, None]
    mask = (None if all_valid else keys) if chunks is None else chunks[None, None] if all_valid else keys & chunks
    return Extent(lengths, ends, shown, None if mask is None else bias_of(mask), chunk)


@functools.lru_cache(maxsize=64)
def positions(keys: int, frames: int, size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Features of the distances between `frames` frames and `keys` keys, the last of which are those frames.

    Row i stands for the distance key - frame = i - (keys - 1), (keys + frames - 1, size): cosine and sine of multiples
    of an angle that grows with the logarithm of the distance (the Zipformer's compact relative positions).
    """
    with torch.inference_mode(False):  # what was made while decoding may be used in training
        distance = torch.arange(frames + keys - 1, dtype=torch.float64) - (keys - 1)
        scale = size**0.5
        squeezed = scale * distance.sign() * ((distance.abs() + scale).log() - math.log(scale))
        angle = (squeezed * (2 * math.pi / size)).atan()[:, None] * torch.arange(1, size // 2 + 1)
        features = torch.stack([angle.cos(), angle.sin()], dim=-1).flatten(1)
        features[:, -1] = 1.0
        return features.to(device, dtype)
