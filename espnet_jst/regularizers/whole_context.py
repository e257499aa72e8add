"""A layer by chunks learns from itself with the whole utterance at hand: dual-mode training (arXiv:2010.06030)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from espnet_jst.config import check_choice
from espnet_jst.encoders.chain import whole_name
from espnet_jst.heads.interface import Head, HeadOutput
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.keys import takes
from espnet_jst.regularizers.conf import WholeContextConf
from espnet_jst.regularizers.gradient_share import SharedGradient
from espnet_jst.taps import Tap


class WholeContext(SharedGradient):
    """Distance of a tap's frames from those that the same weights make of the whole utterance, without a gradient.

    The batch goes through the encoders a second time for it, up to the tap, and only where a chunk was drawn: what has
    heard the whole has nothing to learn here, and the log has NaN. Frames are summed, as in the losses of the heads:
    one utterance weighs the same in all of them.
    """

    @takes(WholeContextConf)
    def __init__(self, conf: WholeContextConf) -> None:
        super().__init__(weight=conf.weight, share=conf.share)
        self.needs = self.whole = (conf.tap,)
        self.tap, self.distance = conf.tap, {"normed": of_normed, "squared": of_frames}[conf.distance]

    def check(self, heads: Mapping[str, Head], shifts_s: Mapping[str, float], specs: Mapping[str, HeadSpec]) -> None:
        check_choice(self.tap, [tap for tap in shifts_s if tap not in heads], "tap")

    def applies(self, reached: Collection[str]) -> bool:
        """Where the batch was cut into chunks."""
        return self.tap in reached and whole_name(self.tap) in reached

    def forward(self, taps: Mapping[str, Tap], outputs: Mapping[str, HeadOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        student, teacher = taps[self.tap], taps[whole_name(self.tap)]
        x, lengths = student.x, student.lengths.to(student.x.device)
        valid = (torch.arange(x.size(1), device=x.device) < lengths[:, None])[..., None]
        with torch.autocast(x.device.type, enabled=False):
            one, other = (y.float().masked_fill(~valid, 0.0) for y in (x, teacher.x.detach()))
            loss = self.distance(one, other).sum(dim=1)
        return loss, self.followed(loss, x)


def of_frames(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of frames (B, T, D), (B, T)."""
    return (student - teacher).square().mean(dim=-1)


def of_normed(student: Tensor, teacher: Tensor) -> Tensor:
    """That of frames of mean 0 and variance 1: 2 less twice their correlation, whatever their scale."""
    return of_frames(*(layer_norm(x, x.shape[-1:]) for x in (student, teacher)))
