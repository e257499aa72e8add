"""Transducer head: predictor, joint network, and an additive joiner beside it that finds the alignment."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from espnet_jst.config import check_choice
from espnet_jst.heads.joint import JointNetwork
from espnet_jst.heads.predictor import PREDICTORS
from espnet_jst.losses.rnnt import additive_rnnt_loss, rnnt_loss


class TransducerHead(nn.Module):
    """One transducer over one lane or several serialized lanes.

    The additive joiner, logits(t, u) = am(t) + lm(u), is the "simple" joiner of the pruned transducer
    (arXiv:2206.13236, sec. 3.1), here on the full lattice: without it a small serialized model learns nothing. It is
    used in training only.

    Args:
        encoder_size: features of the tap that is read.
        vocab_size: number of symbols, blank included.
        predictor: "lstm" or "stateless".
        predictor_conf: keyword arguments of the predictor.
        joint_size: hidden size of the joint network.
        simple_weight: factor of the additive joiner's loss; 0 leaves it out.
        lm_scale: share of the predictor's own probabilities in the additive loss (its smoothing).
        blank: id of the blank symbol.
    """

    def __init__(
        self,
        *,
        encoder_size: int,
        vocab_size: int,
        predictor: str = "lstm",
        predictor_conf: Mapping | None = None,
        joint_size: int = 256,
        simple_weight: float = 0.5,
        lm_scale: float = 0.0,
        blank: int = 0,
    ) -> None:
        super().__init__()
        check_choice(predictor, PREDICTORS, "predictor")
        self.blank, self.vocab_size, self.simple_weight = blank, vocab_size, simple_weight
        self.lm_scale = lm_scale
        self.predictor = PREDICTORS[predictor](vocab_size=vocab_size, blank=blank, **(predictor_conf or {}))
        self.joint = JointNetwork(encoder_size, self.predictor.output_size, joint_size, vocab_size)
        if simple_weight > 0:
            self.simple_encoder = nn.Linear(encoder_size, vocab_size)
            self.simple_predictor = nn.Linear(self.predictor.output_size, vocab_size, bias=False)

    def loss(
        self, x: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of each utterance in nats, (B,), and its parts.

        Args:
            x: encoder output, (B, T, D).
            lengths: valid frames, (B,).
            targets: label ids, (B, U), padding -1.
            target_lengths: valid labels, (B,).

        Raises:
            DataError: see rnnt_loss.
        """
        # Padding is -1: any label will do for the predictor, whose later steps the loss never reads. A label beyond the
        # vocabulary gets through to the loss, which names its utterance.
        g = self.predictor(targets.clamp(0, self.vocab_size - 1))
        logits = self.joint(x[:, :, None], g[:, None])
        full = rnnt_loss(logits, targets, lengths, target_lengths, blank=self.blank)
        if self.simple_weight <= 0:
            return full, {"rnnt": full.detach()}
        simple = additive_rnnt_loss(
            self.simple_encoder(x),
            self.simple_predictor(g),
            targets,
            lengths,
            target_lengths,
            lm_scale=self.lm_scale,
            blank=self.blank,
        )
        return full + self.simple_weight * simple, {"rnnt": full.detach(), "simple": simple.detach()}
