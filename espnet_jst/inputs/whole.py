"""Inputs that hear whole utterances: a stream gathers its samples, and at its end has all frames at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from espnet_jst.streams import Waiting
from espnet_jst.taps import Tap


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
