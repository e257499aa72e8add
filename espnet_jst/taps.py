"""What flows between the rooms: named sequences, each with its own lengths and its own frame shift."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import pad


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


def few_sizes(x: Tensor, value: float, most: int | None = None) -> Tensor:
    """(B, n, ...) -> (B, N, ...), where N is one of eight sizes from a power of two to the next.

    A CPU's products in bfloat16 have a kernel for each shape, which takes longer to make than to use
    (docs/performance.md): so batches should have few.

    Args:
        value: of the further elements.
        most: no more than so many, where there are not more already.
    """
    size = x.size(1)
    step = 1 << max(0, size.bit_length() - 4)
    further = -size % step
    if most is not None:
        further = max(0, min(further, most - size))
    return pad(x, (0, 0) * (x.dim() - 2) + (0, further), value=value) if further else x
