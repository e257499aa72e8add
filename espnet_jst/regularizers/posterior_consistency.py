"""Consistency of CTC posteriors: two heads learn from each other, or one from another view of the same speech."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.interface import Head, HeadOutput
from espnet_jst.keys import takes
from espnet_jst.losses.backends import IMPOSSIBLE
from espnet_jst.regularizers.conf import PosteriorConsistencyConf
from espnet_jst.regularizers.interface import Regularizer
from espnet_jst.taps import Tap


class PosteriorConsistency(Regularizer):
    """Symmetric Kullback-Leibler divergence, summed over frames; each side is the other's teacher and stands still.

    Two heads that read different levels are compared frame by frame. One head is compared with itself on two
    differently masked views, as in CR-CTC (arXiv:2410.05101, eq. 4).
    """

    part_names = ("divergence",)

    @takes(PosteriorConsistencyConf)
    def __init__(self, conf: PosteriorConsistencyConf) -> None:
        super().__init__()
        self.needs, self.weight, self.views = tuple(conf.between), conf.weight, 2 if len(conf.between) == 1 else 1

    def check(self, heads: Mapping[str, Head], shifts_s: Mapping[str, float]) -> None:
        for name in self.needs:
            if not isinstance(heads[name], CTCHead):
                raise ConfigError(f"between: {name!r} is no CTC head, and only those have posteriors of frames")
        first, last = self.needs[0], self.needs[-1]
        if not math.isclose(shifts_s[first], shifts_s[last]):
            raise ConfigError(
                f"between: {first!r} and {last!r} read taps of {shifts_s[first]:g} s and {shifts_s[last]:g} s a frame: "
                "let them read taps of one rate"
            )
        if heads[first].vocab_size != heads[last].vocab_size:
            raise ConfigError(f"between: {first!r} and {last!r} write with different token lists: give them one")

    def forward(self, taps: Mapping[str, Tap], outputs: Mapping[str, HeadOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        sides = [outputs[name].exposed["log_probs"] for name in self.needs]
        lengths, x = sides[0].lengths, [side.x.clamp(min=IMPOSSIBLE) for side in sides]
        if len(x) == 1:
            lengths, x = lengths[: len(lengths) // 2], list(x[0].chunk(2))
        valid = torch.arange(x[0].size(1), device=x[0].device) < lengths[:, None]
        loss = 0.5 * ((divergence(*x) + divergence(*x[::-1])) * valid).sum(dim=1)
        return loss, {"divergence": loss.detach()}


def divergence(teacher: Tensor, learner: Tensor) -> Tensor:
    """KL(teacher || learner) of log-probabilities (..., V), (...), without a gradient for the teacher."""
    teacher = teacher.detach()
    return (teacher.exp() * (teacher - learner)).sum(dim=-1)
