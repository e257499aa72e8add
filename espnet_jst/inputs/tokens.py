"""Text as an input: tokens, up-sampled to about as many frames as speech has (arXiv:2309.15826, 2412.15415)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from espnet_jst.inputs.conf import TokenInputConf
from espnet_jst.inputs.interface import Input
from espnet_jst.inputs.specaug import stretches
from espnet_jst.keys import takes
from espnet_jst.streams import RowState, zeroed
from espnet_jst.taps import Tap


class _Tokens(Input):
    """Tokens in an embedding, each of them so many frames.

    Attributes:
        conf: frames of a token, and what is masked.
    """

    conf: TokenInputConf

    @property
    @abstractmethod
    def owner(self) -> TokenInput:
        """The input whose embedding it is."""

    @property
    def repeat(self) -> int:
        """Frames of a token."""
        return self.conf.repeat

    def embed(self, x: Tensor, lengths: Tensor, *, views: int = 1) -> Tap:
        """(B, U) ids, padding -1, and their lengths -> (views * B, U * repeat, D); masks are of each view."""
        frames, lengths = self._frames(x).repeat(views, 1, 1), (lengths * self.repeat).repeat(views)
        return Tap(masked(frames, lengths, self.conf) if self.owner.training else frames, lengths, self.shift_s)

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> RowState:
        """Nothing: a token is complete by itself."""
        return RowState()

    def step(self, x: Tap, state: RowState, last: Sequence[bool]) -> tuple[Tap, RowState]:
        """Further tokens, (B, n), the first `lengths` of each row -> their frames."""
        lengths = x.lengths * self.repeat
        return Tap(zeroed(self._frames(x.x), lengths.tolist()), lengths, self.shift_s), state

    def ready(self, elements: int) -> int:
        return elements * self.repeat

    def _frames(self, ids: Tensor) -> Tensor:
        """(B, U) ids, padding -1 -> (B, U * repeat, D)."""
        owner = self.owner
        frames = owner.embedding(ids.clamp(min=0)).repeat_interleave(self.repeat, dim=1)
        return frames if owner.places is None else frames + owner.places.repeat(ids.size(1), 1)


class TokenInput(nn.Module, _Tokens):
    """An embedding of each token, several times.

    Args:
        key: its name in a batch.
        into: the encoder that it feeds.
        vocab_size: number of tokens.
        size: features of a frame: those of the tap that the encoder reads otherwise.
        shift_s: the frame shift of that tap, in seconds; None where no speech enters there, so that a token takes one.
    """

    @takes(TokenInputConf)
    def __init__(
        self, *, key: str, into: str, vocab_size: int, size: int, shift_s: float | None, conf: TokenInputConf
    ) -> None:
        super().__init__()
        self.key, self.into, self.conf = key, into, conf
        self.shift_s = 1 / self.repeat if shift_s is None else shift_s
        self.embedding = nn.Embedding(vocab_size, size)
        self.places = nn.Parameter(torch.randn(self.repeat, size)) if conf.places else None

    @property
    def owner(self) -> TokenInput:
        return self

    def output_size(self) -> int:
        """Features of a frame."""
        return self.embedding.embedding_dim


class SharingInput(_Tokens):
    """Tokens in the embedding of another input, a number of times of their own: speech as units and text through the
    same parameters (arXiv:2309.15826). It has no parameters.

    Args:
        key: its name in a batch.
        owner: the input that has the embedding; both enter the same encoder.
        conf: of its own.
    """

    def __init__(self, key: str, owner: TokenInput, conf: TokenInputConf) -> None:
        self.key, self.into, self._owner, self.conf = key, owner.into, owner, conf
        self.shift_s = owner.shift_s  # its frames are those of the other: the encoder knows one shift

    @property
    def owner(self) -> TokenInput:
        return self._owner


def masked(frames: Tensor, lengths: Tensor, conf: TokenInputConf) -> Tensor:
    """(B, T, D) with zeros in some stretches of each row."""
    if not conf.mask_share:
        return frames
    T, most = frames.size(1), conf.mask_share * lengths
    count = (most / conf.mask_frames).ceil().clamp(min=1)
    widest = (most / count).floor().clamp(max=conf.mask_frames)
    hidden = stretches(math.ceil(conf.mask_share * T / conf.mask_frames), count, widest, lengths, T)
    return frames.masked_fill(hidden[..., None], 0.0)
