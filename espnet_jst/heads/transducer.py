"""Transducer head: predictor, joint network, and an additive joiner beside it that finds the alignment."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from espnet_jst.errors import ConfigError
from espnet_jst.heads.conf import TransducerHeadConf
from espnet_jst.heads.interface import LABELS, Head, HeadOutput
from espnet_jst.heads.joint import JointNetwork
from espnet_jst.heads.predictor import Predictor
from espnet_jst.keys import takes
from espnet_jst.losses import PrunedTransducerLoss, pruned_rnnt_loss
from espnet_jst.registry import load
from espnet_jst.scheduled import Scheduled
from espnet_jst.taps import Tap


class TransducerHead(Head, Scheduled):
    """One transducer over one lane or several serialized lanes.

    The additive joiner, logits(t, u) = am(t) + lm(u), is the "simple" joiner of the pruned transducer
    (arXiv:2206.13236, sec. 3.1): without it a small serialized model learns nothing. It is used in training only.
    """

    exposes = {"predictor": LABELS}

    @takes(TransducerHeadConf)
    def __init__(self, *, encoder_size: int, vocab_size: int, blank: int = 0, conf: TransducerHeadConf) -> None:
        super().__init__()
        self.blank, self.vocab_size, self.kind = blank, vocab_size, conf.loss
        self.simple_weight, self.warm_steps = conf.simple_weight, conf.warm_steps
        predictor = load("predictor", conf.predictor)
        self.predictor: Predictor = predictor(vocab_size=vocab_size, blank=blank, **(conf.predictor_conf or {}))
        sizes = (encoder_size, self.predictor.output_size, conf.joint_size, vocab_size)
        self.joint = JointNetwork(*sizes, hat=conf.hat, blank=blank)
        if conf.simple_weight > 0:
            self.criterion = PrunedTransducerLoss(
                *sizes,
                prune_range=conf.prune_range,
                lm_scale=conf.lm_scale,
                am_scale=conf.am_scale,
                simple_bias=conf.simple_bias,
                blank=blank,
                delay_penalty=conf.delay_penalty,
                fast_emit=conf.fast_emit,
            )
        if conf.unknown is not None and (conf.unknown >= vocab_size or conf.unknown == blank):
            raise ConfigError(f"unknown {conf.unknown} must be a label of {vocab_size}, and not the blank {blank}")
        self.unknown = conf.unknown
        self.at(0, 1)

    def at(self, step: int, epoch: int) -> None:
        """Set how far the warm-up is, a share; see `Scheduled`."""
        self.warm = min(1.0, step / self.warm_steps) if self.warm_steps else 1.0

    @property
    def part_names(self) -> tuple[str, ...]:
        return ("rnnt", "simple") if self.simple_weight > 0 else ("rnnt",)

    def forward(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> HeadOutput:
        """See Head; the predictor's outputs are exposed, (B, U + 1, D)."""
        x, lengths = tap.x, tap.lengths
        # Padding is -1: any label will do for the predictor, whose later steps the loss never reads. A label beyond the
        # vocabulary gets through to the loss, which names its utterance.
        g = self.predictor(targets.clamp(0, self.vocab_size - 1))
        exposed = {"predictor": Tap(g, target_lengths + 1, math.nan)}
        if self.kind == "pruned_rnnt":
            simple, main = self.criterion(x, lengths, g, targets, target_lengths, self.joint)
        else:
            # The full lattice in pieces: logits of all frames and label positions would be gigabytes.
            main = pruned_rnnt_loss(x, g, self.joint, None, targets, lengths, target_lengths, blank=self.blank)
            if self.simple_weight <= 0:
                return HeadOutput(main, {"rnnt": main.detach()}, exposed)
            simple = self.criterion.simple(x, lengths, g, targets, target_lengths)[0]
        parts = {"rnnt": main.detach(), "simple": simple.detach()}
        simple_scale, main_scale = self._scales()
        return HeadOutput(main_scale * main + simple_scale * simple, parts, exposed)

    def score(self, tap: Tap, targets: Tensor, target_lengths: Tensor) -> Tensor:
        """See Head; over the full lattice, whatever band it was trained on."""
        g = self.predictor(targets.clamp(min=0))
        return -pruned_rnnt_loss(tap.x, g, self.joint, None, targets, tap.lengths, target_lengths, blank=self.blank)

    def search_logits(self, projected: Tensor) -> Tensor:
        """What a search chooses from: sum of both projections (..., J) -> logits (..., V), float32."""
        logits = self.joint.logits(projected).float()
        if self.unknown is not None:  # one symbol that writes nothing, as likely as both together
            logits[..., self.blank] = torch.logaddexp(logits[..., self.blank], logits[..., self.unknown])
            logits[..., self.unknown] = -math.inf
        return logits

    def _scales(self) -> tuple[float, float]:
        """Factors of the additive and of the other loss at this step (icefall's warm-up)."""
        if not self.warm_steps or not self.training:  # losses of validations can be compared with each other
            return self.simple_weight, 1.0
        return 1.0 - self.warm * (1.0 - self.simple_weight), 0.1 + 0.9 * self.warm
