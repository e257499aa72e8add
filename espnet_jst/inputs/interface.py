"""What the model asks of an input: a sequence in a batch becomes a tap that an encoder reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.streams import RowState
from espnet_jst.taps import Tap


class Input(nn.Module):
    """One way into the model: speech, or text that enters an upper encoder.

    A batch holds one input; the heads that it reaches are trained.

    Attributes:
        key: its name in a batch, beside `<key>_lengths`.
        into: the encoder that it feeds, "encoder" or "hier_encoder".
    """

    key: str
    into: str

    @abstractmethod
    def output_size(self) -> int:
        """Features of a frame."""

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
    def step(self, x: Tap, state: Any, last: Sequence[bool]) -> tuple[Tap, Any]:
        """Further elements of each row, any number of them -> the frames that are complete, and the state.

        Args:
            x: further elements, (B, n), `lengths` of which are valid; 0 for a row that stands still.
            state: of these rows.
            last: for each row, whether nothing follows.
        """
