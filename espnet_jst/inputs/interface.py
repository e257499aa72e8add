"""What the model asks of an input: a sequence in a batch becomes a tap that an encoder reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from espnet2.layers.abs_normalize import AbsNormalize
from torch import Tensor

from espnet_jst.streams import RowState
from espnet_jst.taps import Tap


class Input(ABC):
    """One way into the model: speech, or text that enters an upper encoder.

    A batch holds one input; the heads that it reaches are trained.

    Attributes:
        key: its name in a batch, beside `<key>_lengths`.
        into: the encoder that it feeds, "encoder" or "hier_encoder".
        shift_s: seconds from one frame of what it makes to the next. Where there is no speech, a token takes a second.
        begin_s: where its first frame begins, see StreamingFrontend.
        whole: whether it hears whole utterances, so that a stream has nothing before its end.
    """

    key: str
    into: str
    shift_s: float
    begin_s: float = 0.0
    whole: bool = False

    @abstractmethod
    def embed(self, x: Tensor, lengths: Tensor, *, views: int = 1) -> Tap:
        """Whole sequences of a batch -> (B, T, D), with gradients for what can be trained.

        In training `views` asks for so many different masks of every sequence: the rows are then those of the first
        view, of the second, and so on, (views * B, T, D).
        """

    @abstractmethod
    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> RowState:
        """State before the first element of `batch_size` streams."""

    @abstractmethod
    def step(self, x: Tap, state: Any, last: Sequence[bool]) -> tuple[Tap, RowState]:
        """Further elements of each row, any number of them -> the frames that are complete, and the state.

        Args:
            x: further elements, (B, n), `lengths` of which are valid; 0 for a row that stands still.
            state: of these rows.
            last: for each row, whether nothing follows.
        """

    @abstractmethod
    def ready(self, elements: int) -> int:
        """Frames that `step` has given after so many elements of a stream that goes on."""


class StreamingFrontend(AbsFrontend):
    """Samples to features, in whole or as they come.

    Attributes:
        fs: sampling rate in Hz.
        hop_s: seconds from one frame to the next.
        begin_s: where in the recording the window of the first frame begins; a window that is there before the first
            sample begins below 0.
        channels: channels of the samples that it takes; 1 is (B, N), more are (B, N, C).
        whole: whether it hears whole utterances, so that a stream has nothing before its end.
    """

    fs: int
    hop_s: float
    begin_s: float = 0.0
    channels: int = 1
    whole: bool = False

    def written(self) -> dict[str, Any]:
        """Keys that a training writes into `frontend_conf`, so that a trained model is built from its own files."""
        return {}

    @abstractmethod
    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> RowState:
        """State before the first sample."""

    @abstractmethod
    def step(self, samples: Tap, state: Any, last: Sequence[bool]) -> tuple[Tap, RowState]:
        """Further samples of each row, any number of them -> the frames that are complete, and the state."""

    @abstractmethod
    def ready(self, samples: int) -> int:
        """Frames that `step` has given after so many samples of a stream that goes on."""


class StreamingNormalize(AbsNormalize):
    """A normalization that follows a stream; one without a state is ESPnet's own, which looks at each frame alone."""

    @abstractmethod
    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> RowState:
        """State before the first frame."""

    @abstractmethod
    def step(self, tap: Tap, state: Any) -> tuple[Tap, RowState]:
        """Further frames of each row, (B, t, D) -> the same frames, normalized, and the state."""


class ViewSpecAug(AbsSpecAug):
    """Augmentation of features that knows of views; ESPnet's `specaug` is taken as well."""

    @abstractmethod
    def forward(self, x: Tensor, x_lengths: Tensor | None = None, *, views: int = 1) -> tuple[Tensor, Tensor]:
        """(B, T, D) features and their lengths -> (views * B, T, D) and theirs.

        The rows are those of the first view, of the second, and so on: frame by frame the same speech, masked
        differently.
        """
