"""SpecAugment (arXiv:1904.08779) as Lhotse draws it, for one view of a batch or for several that are compared."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from espnet_jst.inputs.conf import LhotseSpecAugConf
from espnet_jst.inputs.interface import ViewSpecAug
from espnet_jst.keys import takes
from espnet_jst.streams import rows_at


class LhotseSpecAug(ViewSpecAug):
    """Every utterance is warped and masked for itself, within its own length, in one operation for the whole batch.

    Its number of masks grows with its length, what they hide is a limited share of it, and they are filled with its
    mean. Views of an utterance are warped alike, so that their frames belong together, and masked each for itself.
    """

    @takes(LhotseSpecAugConf)
    def __init__(self, conf: LhotseSpecAugConf) -> None:
        super().__init__()
        self.conf = conf

    def forward(self, x: Tensor, x_lengths: Tensor | None = None, *, views: int = 1) -> tuple[Tensor, Tensor]:
        """See ViewSpecAug; padding stays as it is."""
        lengths = x.new_full([x.size(0)], x.size(1), dtype=torch.long) if x_lengths is None else x_lengths
        if self.conf.time_warp_frames:
            x = self._warped(x, lengths)
        x, lengths = x.repeat(views, 1, 1), lengths.repeat(views)
        return self._masked(x, lengths, self.conf.views_ratio if views > 1 else 1.0), lengths

    def _warped(self, x: Tensor, lengths: Tensor) -> Tensor:
        """A frame of each utterance moves by up to `time_warp_frames`, and what is before and behind it follows."""
        most = self.conf.time_warp_frames
        draws = torch.rand(3, len(lengths), 1, device=x.device)
        frame, end = torch.arange(x.size(1), device=x.device), lengths[:, None]
        space = end - 2 * most - 1  # of the frame; a shorter utterance has none and stays
        before = most + 1 + (draws[0] * space).floor()
        after = before - most + (draws[1] * (2 * most + 1)).floor()
        source = torch.where(
            frame < after, frame * before / after, before + (frame - after) * (end - before) / (end - after)
        )
        warped = (draws[2] < self.conf.prob) & (space > 0) & (frame < end)
        limit = (end - 1).maximum(frame)  # padding stays, and does not come in
        source = torch.where(warped, source, frame).minimum(limit)
        first = source.long()
        earlier, later = rows_at(x, first), rows_at(x, (first + 1).minimum(limit))
        return earlier.lerp(later, (source - first)[..., None].to(x.dtype))

    def _masked(self, x: Tensor, lengths: Tensor, ratio: float) -> Tensor:
        """Bands and stretches of time hidden by the mean of the utterance, of the latter `ratio` times as many."""
        conf, (B, T, F) = self.conf, x.shape
        most = math.floor(conf.time_masks * ratio)
        hidden = conf.time_mask_share * ratio * lengths  # frames at most
        count = (hidden / conf.time_mask_frames).ceil().clamp(1, max(most, 1))
        widest = (hidden / count).floor().clamp(max=conf.time_mask_frames)
        most = min(most, math.ceil(conf.time_mask_share * ratio * T / conf.time_mask_frames))
        frames = stretches(most, count, widest, lengths, T)
        whole = torch.ones_like(lengths)
        bands = stretches(conf.freq_masks, conf.freq_masks * whole, conf.freq_mask_bands * whole, F * whole, F)
        valid = (torch.arange(T, device=x.device) < lengths[:, None])[..., None]
        masked = (torch.rand(B, 1, 1, device=x.device) < conf.prob) & valid & (frames[..., None] | bands[:, None])
        mean = x.masked_fill(~valid, 0.0).sum(dim=(1, 2)) / (lengths * F)
        return torch.where(masked, mean[:, None, None].to(x.dtype), x)


def stretches(most: int, count: Tensor, widest: Tensor, size: Tensor, positions: int) -> Tensor:
    """Random stretches of the first `size` positions of each row, (B, positions).

    Args:
        most: drawn for each row.
        count: of which it has so many, (B,).
        widest: their widths are drawn from 0 to below this, and below the size, (B,).
    """
    draws = torch.rand(2, len(size), most, device=size.device)
    used = torch.arange(most, device=size.device) < count[:, None]
    width = (draws[0] * widest.minimum(size)[:, None]).floor() * used
    start = (draws[1] * (size[:, None] - width + 1)).floor()  # Lhotse's masks never reach the last position
    at = torch.arange(positions, device=size.device)
    return ((start[..., None] <= at) & (at < (start + width)[..., None])).any(dim=1)
