"""Consistency of CTC posteriors between levels: two heads learn from each other, or one from the other."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.heads.interface import Head, HeadOutput
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.keys import takes
from espnet_jst.regularizers.conf import PosteriorConsistencyConf
from espnet_jst.regularizers.divergence import check_posteriors, symmetric_divergence, taught_divergence
from espnet_jst.regularizers.interface import Regularizer
from espnet_jst.taps import Tap


class PosteriorConsistency(Regularizer):
    """Kullback-Leibler divergence of two heads that read different levels, summed over frames: symmetric where each is
    the other's teacher, else that of the student from its teacher. What compares one head with itself on another view
    is `cr_ctc`.
    """

    part_names = ("divergence",)

    @takes(PosteriorConsistencyConf)
    def __init__(self, conf: PosteriorConsistencyConf) -> None:
        super().__init__()
        self.needs, self.weight, self.detach = tuple(conf.between), conf.weight, conf.detach

    def check(self, heads: Mapping[str, Head], shifts_s: Mapping[str, float], specs: Mapping[str, HeadSpec]) -> None:
        for name in self.needs:
            check_posteriors("between", name, heads[name])
        first, last = self.needs
        if not math.isclose(shifts_s[first], shifts_s[last]):
            raise ConfigError(
                f"between: {first!r} and {last!r} read taps of {shifts_s[first]:g} s and {shifts_s[last]:g} s a frame: "
                "let them read taps of one rate"
            )
        if heads[first].vocab_size != heads[last].vocab_size:
            raise ConfigError(f"between: {first!r} and {last!r} write with different token lists: give them one")

    def forward(self, taps: Mapping[str, Tap], outputs: Mapping[str, HeadOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        first, last = (outputs[name].exposed["log_probs"] for name in self.needs)
        if self.detach == "none":
            loss = symmetric_divergence(first.x, last.x, first.lengths)
        elif self.detach == "teacher":
            loss = taught_divergence(first.x, last.x, first.lengths)
        else:
            loss = taught_divergence(last.x, first.x, first.lengths)
        return loss, {"divergence": loss.detach()}
