"""Normalization that a stream can compute: global variance, and a mean that follows the channel causally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from espnet_jst.inputs.conf import RunningMVNConf
from espnet_jst.inputs.interface import StreamingNormalize
from espnet_jst.keys import takes
from espnet_jst.streams import RowState, rows_at
from espnet_jst.taps import Tap


@dataclass
class RunningState(RowState):
    """Decayed sum of the features heard so far, (B, D), and the decayed number of frames, (B, 1)."""

    total: Tensor
    count: Tensor


class RunningMVN(StreamingNormalize):
    """Subtract a running mean and divide by the global standard deviation.

    The mean of frame t is (prior_frames * global mean + decayed sum up to t) / (prior_frames + decayed count): the
    first frames lean on the training data, later ones on the recording itself, and nothing looks ahead. A frame that is
    not finite is left out of the mean: it would stay in it for ever.
    """

    block_frames = 256  # the lower-triangular weights of one block are a 256 x 256 matrix, computed once

    @takes(RunningMVNConf)
    def __init__(self, conf: RunningMVNConf) -> None:
        super().__init__()
        stats = np.load(conf.stats_file)
        mean = stats["sum"] / stats["count"]
        std = np.sqrt(np.maximum(stats["sum_square"] / stats["count"] - mean**2, conf.eps**2))
        self.prior_frames, self.ignore_silence = conf.prior_frames, conf.ignore_silence
        self.register_buffer("mean", torch.from_numpy(np.asarray(mean, dtype=np.float32)))
        self.register_buffer("std", torch.from_numpy(np.asarray(std, dtype=np.float32)))
        decay = 0.5 ** (1.0 / conf.half_life_frames)
        age = torch.arange(self.block_frames, dtype=torch.float64)
        weights = torch.where(age[:, None] >= age, decay ** (age[:, None] - age).clamp(min=0), 0.0)
        self.register_buffer("weights", weights.float(), persistent=False)
        self.register_buffer("fade", (decay ** (age + 1)).float()[:, None], persistent=False)

    def forward(self, x: Tensor, ilens: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, T, D) features -> normalized features and their lengths; those after a length are normalized too."""
        if ilens is None:
            ilens = x.new_full([x.size(0)], x.size(1), dtype=torch.long)
        return self._follow(x, self.init_state(x.size(0), x.device), None)[0], ilens

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> RunningState:
        zeros = torch.zeros(batch_size, self.mean.numel(), device=device)
        return RunningState(zeros, torch.zeros(batch_size, 1, device=device))

    def step(self, tap: Tap, state: RunningState) -> tuple[Tap, RunningState]:
        x, state = self._follow(tap.x, state, tap.lengths.tolist())
        return tap._replace(x=x), state

    def full(self, x: Tensor, state: RunningState) -> tuple[Tensor, RunningState]:
        """Frames (B, T, D) that are all there -> normalized, and the state after them; the same operations whatever
        their values are, as a graph needs them.
        """
        return self._follow(x, state, None, look=False)

    def _follow(
        self, x: Tensor, state: RunningState, counts: Sequence[int] | None, look: bool = True
    ) -> tuple[Tensor, RunningState]:
        """Normalized frames, and the state after the first `counts` of each row (None: after all).

        Without `look` frames are left out of the mean by multiplication, even where there are none to leave out.
        """
        # Centred on the global mean first: sums stay small, so a long stream loses no precision.
        blocks, (total, count) = [], (state.total, state.count)
        for start in range(0, x.size(1), self.block_frames):
            frames = x[:, start : start + self.block_frames]
            block, n = frames - self.mean, frames.size(1)
            weights, heard = self.weights[:n, :n], block
            counted = frames.isfinite().all(-1, keepdim=True)
            if self.ignore_silence:
                counted &= (frames != frames[..., :1]).any(-1, keepdim=True)
            if self.ignore_silence or not look or not counted.all():
                heard, own = block.where(counted, 0.0), weights @ counted.to(block)
            else:
                own = weights.sum(1, keepdim=True).expand(x.size(0), -1, -1)
            totals = weights @ heard + self.fade[:n] * total[:, None]
            frames_heard = own + self.fade[:n] * count[:, None]
            blocks.append((block - totals / (self.prior_frames + frames_heard)) / self.std)
            if counts is None or min(counts) >= start + n:
                total, count = totals[:, -1], frames_heard[:, -1]
                continue
            # Of a row that ends within the block, the state is that of its last frame; of none, the one before.
            end = torch.tensor([min(max(c - start, 0), n) for c in counts], device=x.device)[:, None]
            total, count = (
                rows_at(torch.cat([before[:, None], after], dim=1), end)[:, 0]
                for before, after in ((total, totals), (count, frames_heard))
            )
        return (torch.cat(blocks, dim=1) if blocks else x), RunningState(total, count)
