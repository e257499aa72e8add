"""In which precision encoders compute."""

from __future__ import annotations

import torch
from torch import Tensor


def widened(x: Tensor) -> Tensor:
    """`x` in float32 where it is in half precision, else itself."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
