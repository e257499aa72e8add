"""The pruned transducer loss (arXiv:2206.13236): a simple loss finds the band, the joint network works inside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.errors import ConfigError
from espnet_jst.losses.checks import check_labels, checked, inside
from espnet_jst.losses.fused_joint import fused_columns
from espnet_jst.losses.recursion import lattice_loss
from espnet_jst.losses.simple import prune_ranges, simple_rnnt_loss


def pruned_rnnt_loss(
    encoder_out: Tensor,
    predictor_out: Tensor,
    joint: Any,
    ranges: Tensor,
    targets: Tensor,
    logit_lengths: Tensor,
    target_lengths: Tensor,
    *,
    blank: int = 0,
    delay_penalty: float = 0.0,
    fast_emit: float = 0.0,
) -> Tensor:
    """Transducer loss of the paths inside a band, through a joint network whose logits are never kept.

    Args:
        encoder_out: (B, T, D_e).
        predictor_out: (B, U + 1, D_p).
        joint: a network with linear layers `encoder_proj`, `predictor_proj` and `output`, and perhaps `hat`; see
            JointNetwork.
        ranges: labels written that each row of each frame stands for, (B, T, R), see prune_ranges.
        targets: label ids, (B, U); padding may hold anything.
        logit_lengths, target_lengths: (B,).
        blank: id of the blank.
        delay_penalty: added to a label's log-probability for every frame that it comes before the middle
            (arXiv:2211.00490); favours early labels.
        fast_emit: factor on the gradient of labels, less one (arXiv:2010.11148, eq. 12); the value is unchanged.

    Returns:
        Negative log-likelihood in nats, (B,), float32 (float64 for float64 inputs), whatever autocast says.

    Raises:
        DataError: a wrong length or label, no path inside the band, or NaN; the message names the utterance.
    """
    B, T, R = ranges.shape
    V = joint.output.weight.size(0)
    labels = check_labels(targets, logit_lengths, target_lengths, frames=T, vocab_size=V, blank=blank)
    with torch.autocast(encoder_out.device.type, enabled=False):
        wide = encoder_out.dtype if encoder_out.dtype == torch.float64 else torch.float32
        encoder = joint.encoder_proj(encoder_out.to(wide))
        predictor = joint.predictor_proj(predictor_out.to(wide))
        rows = predictor.size(1)
        # Only nodes of an utterance: padding costs nothing.
        used = inside(logit_lengths, T)[..., None] & (ranges <= target_lengths[:, None, None])
        b, t, r = used.nonzero(as_tuple=True)
        u = ranges[b, t, r]
        following = torch.nn.functional.pad(labels, (0, 1), value=blank)[b, u]
        columns = fused_columns(
            encoder.flatten(0, 1),
            predictor.flatten(0, 1),
            joint.output.weight,
            joint.output.bias,
            torch.stack([b * T + t, b * rows + u]),
            following,
            blank=blank,
            hat=getattr(joint, "hat", False),
        )
        nodes = (b * T + t) * R + r
        blanks, nexts = (encoder.new_zeros(B * T * R).index_put((nodes,), x).view(B, T, R) for x in columns)
        if delay_penalty:
            middle = (logit_lengths[:, None] - 1) / 2 - torch.arange(T, device=encoder.device)
            nexts = nexts + delay_penalty * middle[..., None]
        if fast_emit:
            nexts = nexts + fast_emit * (nexts - nexts.detach())
        return checked(lattice_loss(blanks, nexts, ranges[..., 0], logit_lengths, target_lengths)[0])


class PrunedTransducerLoss(nn.Module):
    """Simple and pruned loss of a transducer; owns the projections of the simple one.

    Args:
        encoder_size: features of the encoder output.
        predictor_size: features of the predictor output.
        joint_size: hidden size of the joint network; not read, the network itself comes with every call.
        vocab_size: number of symbols, blank included.
        prune_range: rows of the band, at least 2; at most prune_range - 1 labels leave in one frame.
        lm_scale, am_scale: smoothing of the simple loss.
        blank: id of the blank.
        delay_penalty, fast_emit: see pruned_rnnt_loss.

    Raises:
        ConfigError: a value cannot be used.
    """

    def __init__(
        self,
        encoder_size: int,
        predictor_size: int,
        joint_size: int,
        vocab_size: int,
        *,
        prune_range: int = 5,
        lm_scale: float = 0.25,
        am_scale: float = 0.0,
        blank: int = 0,
        delay_penalty: float = 0.0,
        fast_emit: float = 0.0,
    ) -> None:
        super().__init__()
        if prune_range < 2:
            raise ConfigError(f"prune_range is {prune_range}: a band of fewer than 2 rows lets no label out")
        if min(lm_scale, am_scale) < 0 or lm_scale + am_scale >= 1:
            raise ConfigError(f"lm_scale {lm_scale} and am_scale {am_scale} must be shares with a sum below 1")
        self.prune_range, self.lm_scale, self.am_scale, self.blank = prune_range, lm_scale, am_scale, blank
        self.delay_penalty, self.fast_emit = delay_penalty, fast_emit
        self.simple_encoder = nn.Linear(encoder_size, vocab_size)
        self.simple_predictor = nn.Linear(predictor_size, vocab_size, bias=False)

    def forward(
        self,
        encoder_out: Tensor,
        encoder_lengths: Tensor,
        predictor_out: Tensor,
        targets: Tensor,
        target_lengths: Tensor,
        joint: Any,
    ) -> tuple[Tensor, Tensor]:
        """Simple and pruned loss, (B,) each, in nats.

        Args:
            encoder_out: (B, T, D_e).
            encoder_lengths: valid frames, (B,).
            predictor_out: (B, U + 1, D_p).
            targets: label ids, (B, U).
            target_lengths: valid labels, (B,).
            joint: the joint network, see pruned_rnnt_loss.

        Raises:
            DataError: see pruned_rnnt_loss.
        """
        simple, px_grad, py_grad = self.simple(encoder_out, encoder_lengths, predictor_out, targets, target_lengths)
        ranges = prune_ranges(px_grad, py_grad, encoder_lengths, target_lengths, self.prune_range)
        pruned = pruned_rnnt_loss(
            encoder_out,
            predictor_out,
            joint,
            ranges,
            targets,
            encoder_lengths,
            target_lengths,
            blank=self.blank,
            delay_penalty=self.delay_penalty,
            fast_emit=self.fast_emit,
        )
        return simple, pruned

    def simple(
        self,
        encoder_out: Tensor,
        encoder_lengths: Tensor,
        predictor_out: Tensor,
        targets: Tensor,
        target_lengths: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The simple loss alone and its occupation, see simple_rnnt_loss; arguments as `forward`."""
        return simple_rnnt_loss(
            self.simple_encoder(encoder_out),
            self.simple_predictor(predictor_out),
            targets,
            encoder_lengths,
            target_lengths,
            lm_scale=self.lm_scale,
            am_scale=self.am_scale,
            blank=self.blank,
        )
