"""Audio for a model that was trained on units of speech: samples -> units -> pieces of units -> their embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from espnet_jst.inputs.interface import Input
from espnet_jst.inputs.tokens import TokenInput
from espnet_jst.inputs.unit_features import UnitReader
from espnet_jst.streams import RowState, Waiting, step_whole
from espnet_jst.taps import Tap
from espnet_jst.units.alphabet import as_text, without_repeats
from espnet_jst.units.unit_set import UnitSet


class UnitInput(nn.Module, Input):
    """It hears whole utterances: a stream gathers its samples, and at its end has all frames at once.

    Args:
        units: the unit set.
        case: "rm": each run of a unit once; "ts": a unit a frame.
        encode: a text of units -> its tokens.
        owner: the input of tokens that was trained.

    Attributes:
        fs: sampling rate in Hz.
    """

    key, whole = "speech", True

    def __init__(self, units: UnitSet, case: str, encode: Callable[[str], list[int]], owner: TokenInput) -> None:
        super().__init__()
        self.reader, self.case, self._encode = UnitReader(units), case, encode
        self._owner = [owner]  # whose parameters stay the model's
        self.into, self.shift_s, self.fs = owner.into, owner.shift_s, self.reader.features.fs

    def embed(self, x: Tensor, lengths: Tensor, *, views: int = 1) -> Tap:
        """(B, N) samples in [-1, 1] and their lengths -> (B, T, D), a frame a token, at least one."""
        speech = [row[:length] for row, length in zip(x.cpu().numpy(), lengths.tolist(), strict=True)]
        rows = [self._tokens(units) for units in self.reader([np.ascontiguousarray(row) for row in speech])]
        counts = torch.tensor([len(row) for row in rows], device=x.device)
        ids = torch.full((len(rows), int(counts.max())), -1, device=x.device)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row, device=x.device)
        return self._owner[0].embed(ids, counts, views=views)

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> Waiting:
        return Waiting.none(batch_size, device=device)

    def ready(self, elements: int) -> int:
        """None before the end."""
        return 0

    def step(self, x: Tap, state: Waiting, last: Sequence[bool]) -> tuple[Tap, RowState]:
        return step_whole(x, state, last, self.embed, self._owner[0].output_size(), self.shift_s)

    def _tokens(self, units: Sequence[int]) -> list[int]:
        kept = without_repeats(units) if self.case == "rm" else units
        return self._encode(as_text(kept, self.reader.units.clusters))
