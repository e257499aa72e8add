"""Inputs that hear whole utterances: a stream gathers its samples, and at its end has all frames at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.streams import Waiting
from espnet_jst.taps import Tap


class WholeFrontend(StreamingFrontend):
    """A frontend that hears whole utterances: its `forward` is all that is to be written."""

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


def step_whole(
    heard: Tap,
    waiting: Waiting,
    last: Sequence[bool],
    embed: Callable[[Tensor, Tensor], Tap],
    size: int,
    shift_s: float,
) -> tuple[Tap, Waiting]:
    """Further samples of each row -> the frames of those that end now, and what waits of the others.

    Args:
        heard: samples (B, n), of each row the first `lengths`.
        waiting: all samples of these streams so far.
        last: for each row, whether nothing follows.
        embed: whole utterances (N, n) and their lengths -> their frames.
        size: features of a frame.
        shift_s: seconds from one frame to the next.
    """
    waiting = waiting.append(heard.x, heard.lengths.tolist())
    ended = [row for row, ends in enumerate(last) if ends and waiting.counts[row]]
    counts = torch.zeros(len(last), dtype=torch.long)
    if not ended:
        return Tap(heard.x.new_zeros(len(last), 0, size), counts, shift_s), waiting
    rows = torch.tensor(ended)
    whole = waiting.select(rows)
    tap = embed(whole.x[:, : max(whole.counts)], torch.tensor(whole.counts, device=whole.x.device))
    frames = tap.x.new_zeros(len(last), *tap.x.shape[1:])
    frames[rows.to(frames.device)] = tap.x
    counts[rows] = tap.lengths.cpu()
    passed = [count if ends else 0 for count, ends in zip(waiting.counts, last, strict=True)]
    return Tap(frames, counts, shift_s), waiting.drop(passed)
