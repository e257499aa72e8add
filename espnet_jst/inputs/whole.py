"""Inputs that hear whole utterances: a stream gathers its samples, and at its end has all frames at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.streams import Waiting, step_whole
from espnet_jst.taps import Tap


class WholeFrontend(StreamingFrontend):
    """A frontend that hears whole utterances: `forward` is all that it needs."""

    whole = True

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> Waiting:
        return Waiting.none(batch_size, device=device)

    def ready(self, samples: int) -> int:
        """None before the end."""
        return 0

    def step(self, samples: Tap, state: Waiting, last: Sequence[bool]) -> tuple[Tap, Waiting]:
        """See StreamingFrontend."""

        def embed(x: Tensor, lengths: Tensor) -> Tap:
            frames, counts = self(x, lengths)
            return Tap(frames, counts, self.hop_s)

        return step_whole(samples, state, last, embed, self.output_size(), self.hop_s)
