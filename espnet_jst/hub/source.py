"""The weights of somebody else's model, each of which is used or named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from espnet_jst.errors import CheckpointError
from espnet_jst.weights import SHOWN_KEYS


class Source:
    """Weights that are taken one by one, so that none is left."""

    def __init__(self, state: Mapping[str, Tensor], file: Path) -> None:
        self.state, self.file = {name: value.float() for name, value in state.items()}, file

    def take(self, name: str, shape: Sequence[int]) -> Tensor:
        """A weight of a shape.

        Raises:
            CheckpointError: it is missing, or of another shape.
        """
        value = self.state.pop(name, None)
        if value is None or value.shape != tuple(shape):
            found = "has none" if value is None else f"has {tuple(value.shape)}"
            raise CheckpointError(f"{self.file}: {name} should be {tuple(shape)}, and the file {found}: fetch it again")
        return value

    def check_used(self, embedding: Tensor, name: str, tied: Sequence[str]) -> None:
        """Refuse what is left, but second names of the embedding.

        Args:
            name: of the embedding.
            tied: these second names.
        """
        for other in tied:
            value = self.state.pop(other, embedding)
            if value.shape != embedding.shape or not torch.equal(value, embedding):
                raise CheckpointError(f"{self.file}: {other} is not {name}: this model has weights that are not tied")
        if self.state:
            more = f", and {len(self.state) - SHOWN_KEYS} more" if len(self.state) > SHOWN_KEYS else ""
            names = ", ".join(sorted(self.state)[:SHOWN_KEYS])
            raise CheckpointError(f"{self.file} has weights that no part of the model has a use for: {names}{more}")
