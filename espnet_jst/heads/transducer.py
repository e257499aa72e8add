"""Transducer head: predictor, joint network, and an additive joiner beside it that finds the alignment."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.heads.interface import Head, HeadOutput
from espnet_jst.heads.joint import JointNetwork
from espnet_jst.heads.predictor import PREDICTORS
from espnet_jst.losses import PrunedTransducerLoss, pruned_rnnt_loss
from espnet_jst.scheduled import Scheduled
from espnet_jst.taps import Tap

LOSSES = ("rnnt", "pruned_rnnt")


class TransducerHead(Head, Scheduled):
    """One transducer over one lane or several serialized lanes.

    The additive joiner, logits(t, u) = am(t) + lm(u), is the "simple" joiner of the pruned transducer
    (arXiv:2206.13236, sec. 3.1): without it a small serialized model learns nothing. It is used in training only.

    Args:
        encoder_size: features of the tap that is read.
        vocab_size: number of symbols, blank included.
        predictor: "lstm" or "stateless".
        predictor_conf: keyword arguments of the predictor.
        joint_size: hidden size of the joint network.
        hat: the blank has a probability of its own, see JointNetwork.
        loss: "rnnt", the joint network on the full lattice, or "pruned_rnnt", on the band that the additive joiner
            finds.
        prune_range: rows of the band; at most prune_range - 1 labels leave in one frame.
        simple_weight: factor of the additive joiner's loss; 0 leaves it out, with "rnnt" only.
        lm_scale, am_scale: smoothing of the additive loss.
        warm_steps: training steps in which the additive loss falls from 1 to `simple_weight` and the other rises from
            0.1 to 1; 0 for none. The loss of a validation is weighted as after them.
        delay_penalty, fast_emit: of the pruned loss, see losses.pruned_rnnt_loss.
        blank: id of the blank symbol.

    Raises:
        ConfigError: values that do not go together.
    """

    def __init__(
        self,
        *,
        encoder_size: int,
        vocab_size: int,
        predictor: str = "lstm",
        predictor_conf: Mapping | None = None,
        joint_size: int = 256,
        hat: bool = False,
        loss: str = "rnnt",
        prune_range: int = 5,
        simple_weight: float = 0.5,
        lm_scale: float = 0.0,
        am_scale: float = 0.0,
        warm_steps: int = 0,
        delay_penalty: float = 0.0,
        fast_emit: float = 0.0,
        blank: int = 0,
    ) -> None:
        super().__init__()
        check_choice(predictor, PREDICTORS, "predictor")
        check_choice(loss, LOSSES, "loss")
        self.blank, self.vocab_size, self.kind = blank, vocab_size, loss
        self.simple_weight, self.warm_steps = simple_weight, warm_steps
        self.predictor = PREDICTORS[predictor](vocab_size=vocab_size, blank=blank, **(predictor_conf or {}))
        sizes = (encoder_size, self.predictor.output_size, joint_size, vocab_size)
        self.joint = JointNetwork(*sizes, hat=hat, blank=blank)
        if loss == "rnnt" and (delay_penalty or fast_emit):
            raise ConfigError("delay_penalty and fast_emit belong to loss: pruned_rnnt")
        if simple_weight > 0:
            self.criterion = PrunedTransducerLoss(
                *sizes,
                prune_range=prune_range,
                lm_scale=lm_scale,
                am_scale=am_scale,
                blank=blank,
                delay_penalty=delay_penalty,
                fast_emit=fast_emit,
            )
        elif loss == "pruned_rnnt":
            raise ConfigError("loss: pruned_rnnt needs simple_weight above 0: the additive joiner finds the band")
        self.at(0, 1)

    def at(self, step: int, epoch: int) -> None:
        """Set how far the warm-up is, a share; see `Scheduled`."""
        self.warm = min(1.0, step / self.warm_steps) if self.warm_steps else 1.0

    @property
    def part_names(self) -> tuple[str, ...]:
        """See Head."""
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

    def _scales(self) -> tuple[float, float]:
        """Factors of the additive and of the other loss at this step (icefall's warm-up)."""
        if not self.warm_steps or not self.training:  # losses of validations can be compared with each other
            return self.simple_weight, 1.0
        return 1.0 - self.warm * (1.0 - self.simple_weight), 0.1 + 0.9 * self.warm
