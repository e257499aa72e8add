"""Consistency-regularized CTC (arXiv:2410.05101): a CTC head agrees with itself on another view of the same speech."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from espnet_jst.heads.interface import Head, HeadOutput
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.keys import takes
from espnet_jst.regularizers.conf import CRCTCConf
from espnet_jst.regularizers.divergence import check_posteriors, symmetric_divergence
from espnet_jst.regularizers.interface import Regularizer
from espnet_jst.scheduled import Scheduled
from espnet_jst.taps import Tap


class CRCTC(Regularizer, Scheduled):
    """Symmetric Kullback-Leibler divergence of two differently masked views, each the other's teacher (eq. 4).

    It asks for two views, so the whole chain and every head run on both, and the loss of a head is the mean over them.
    The divergence is summed over frames, as the losses of the heads are: one utterance weighs the same in all of them.
    """

    views = 2

    @takes(CRCTCConf)
    def __init__(self, conf: CRCTCConf) -> None:
        super().__init__()
        self.needs = self.part_names = tuple(conf.heads)
        self.full_weight, self.warm_steps = conf.weight, conf.warm_steps
        self.at(0, 1)

    def at(self, step: int, epoch: int) -> None:
        """Set the weight of this step; see `Scheduled`."""
        self.weight = self.full_weight * (min(1.0, step / self.warm_steps) if self.warm_steps else 1.0)

    def check(self, heads: Mapping[str, Head], shifts_s: Mapping[str, float], specs: Mapping[str, HeadSpec]) -> None:
        for name in self.needs:
            check_posteriors("heads", name, heads[name])

    def applies(self, reached: Collection[str]) -> bool:
        """With some of the heads, too: speech without a translation still trains the transcript."""
        return any(name in reached for name in self.needs)

    def forward(self, taps: Mapping[str, Tap], outputs: Mapping[str, HeadOutput]) -> tuple[Tensor, dict[str, Tensor]]:
        losses = {}
        for name in self.needs:
            if name in outputs:
                tap = outputs[name].exposed["log_probs"]
                one, other = tap.x.chunk(2)
                losses[name] = symmetric_divergence(one, other, tap.lengths[: len(one)])
        return torch.stack(list(losses.values())).sum(dim=0), {name: loss.detach() for name, loss in losses.items()}
