"""What a model hears that was trained on units of speech: samples -> units -> pieces of units -> their embedding."""

from __future__ import annotations

from abc import abstractmethod
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


class _WholeInput(nn.Module, Input):
    """What both hear: whole utterances, so that a stream has all frames at once, at its end."""

    whole = True

    @abstractmethod
    def output_size(self) -> int:
        """Features of a frame."""

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> Waiting:
        return Waiting.none(batch_size, device=device)

    def ready(self, elements: int) -> int:
        """None before the end."""
        return 0

    def step(self, x: Tap, state: Waiting, last: Sequence[bool]) -> tuple[Tap, RowState]:
        return step_whole(x, state, last, self.embed, self.output_size(), self.shift_s)


class UnitIds(_WholeInput):
    """Units that somebody has made already, a unit a frame; it has no parameters of its own.

    Args:
        units: the unit set.
        case: "rm": each run of a unit once; "ts": a unit a frame.
        encode: a text of units -> its tokens.
        owner: the input of tokens that was trained.
        frames_in_second: units of a second of speech.

    Attributes:
        fs: elements in a second, of which one is a unit.
    """

    key = "units"

    def __init__(
        self,
        units: UnitSet,
        case: str,
        encode: Callable[[str], list[int]],
        owner: TokenInput,
        frames_in_second: int,
    ) -> None:
        super().__init__()
        self.units, self.case, self._encode = units, case, encode
        self._owner = [owner]  # whose parameters stay the model's
        self.into, self.shift_s, self.fs = owner.into, owner.shift_s, frames_in_second

    def output_size(self) -> int:
        """Features of a frame."""
        return self._owner[0].output_size()

    def embed(self, x: Tensor, lengths: Tensor, *, views: int = 1) -> Tap:
        """(B, N) units and their lengths -> (B, T, D), a frame a token, at least one."""
        rows = [row[:length] for row, length in zip(x.long().tolist(), lengths.tolist(), strict=True)]
        return self.embed_rows(rows, x.device, views=views)

    def embed_rows(self, rows: Sequence[Sequence[int]], device: torch.device, *, views: int = 1) -> Tap:
        """The same of lists."""
        tokens = [self._tokens(row) for row in rows]
        counts = torch.tensor([len(row) for row in tokens], device=device)
        ids = torch.full((len(rows), int(counts.max())), -1, device=device)
        for place, row in enumerate(tokens):
            ids[place, : len(row)] = torch.tensor(row, device=device)
        return self._owner[0].embed(ids, counts, views=views)

    def _tokens(self, units: Sequence[int]) -> list[int]:
        kept = without_repeats(units) if self.case == "rm" else units
        return self._encode(as_text(kept, self.units.clusters))


class UnitInput(_WholeInput):
    """Audio, as units.

    Args:
        units: the unit set.
        case, encode, owner: as those of `UnitIds`.

    Attributes:
        fs: sampling rate in Hz.
        ids: the input for units that are made already.
    """

    key = "speech"

    def __init__(self, units: UnitSet, case: str, encode: Callable[[str], list[int]], owner: TokenInput) -> None:
        super().__init__()
        self.reader = UnitReader(units)
        self.ids = UnitIds(units, case, encode, owner, round(1 / self.reader.features.hop_s))
        self.into, self.shift_s, self.fs = owner.into, owner.shift_s, self.reader.features.fs

    def embed(self, x: Tensor, lengths: Tensor, *, views: int = 1) -> Tap:
        """(B, N) samples in [-1, 1] and their lengths -> (B, T, D), a frame a token, at least one."""
        speech = [row[:length] for row, length in zip(x.cpu().numpy(), lengths.tolist(), strict=True)]
        rows = self.reader([np.ascontiguousarray(row) for row in speech])
        return self.ids.embed_rows(rows, x.device, views=views)

    def output_size(self) -> int:
        return self.ids.output_size()
