"""What flows between the rooms: named sequences, each with its own lengths and its own frame shift."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Tap(NamedTuple):
    """A sequence that a module offers and others read.

    Attributes:
        x: frames, (B, T, D); samples, the first link of the chain, are (B, N).
        lengths: valid frames of each row, (B,). In a stream they are on the CPU, wherever `x` is, so that nobody waits
            for a GPU to learn them; a row that stands still this time has 0.
        shift_s: seconds from one frame to the next. Nobody computes it but the module that makes the tap.
    """

    x: Tensor
    lengths: Tensor
    shift_s: float
