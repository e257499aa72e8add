"""The pruned transducer loss (arXiv:2206.13236): a simple loss finds the band, the joint network works inside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from espnet_jst.errors import ConfigError
from espnet_jst.losses import backends
from espnet_jst.losses.band import Band, Rules, band_loss
from espnet_jst.losses.checks import check_labels, checked, inside
from espnet_jst.losses.fused_joint import fused_columns
from espnet_jst.losses.recursion import lattice_loss
from espnet_jst.losses.simple import prune_ranges, simple_rnnt_loss


def pruned_rnnt_loss(
    encoder_out: Tensor,
    predictor_out: Tensor,
    joint: Any,
    ranges: Tensor | None,
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
        ranges: labels written that each row of each frame stands for, (B, T, R), see prune_ranges; None for all of
            them, which is the loss on the full lattice.
        targets: label ids, (B, U); padding may hold anything.
        logit_lengths, target_lengths: (B,).
        blank: id of the blank.
        delay_penalty: added to a label's log-probability for every frame that it comes before the middle
            (arXiv:2211.00490); favours early labels.
        fast_emit: factor on the gradient of labels, less one (arXiv:2010.11148, eq. 12); the value is unchanged.

    Returns:
        Negative log-likelihood in nats, (B,), float32 (float64 for float64 inputs). Autocast on a CPU has its way with
        the products of the output layer; softmax, recursion and sums are not touched by it.

    Raises:
        DataError: a wrong length or label, no path inside the band, or NaN; the message names the utterance.
    """
    T, rows = encoder_out.size(1), predictor_out.size(1)
    if ranges is None:
        ranges = torch.arange(rows, device=encoder_out.device).expand(encoder_out.size(0), T, rows)
    V = joint.output.weight.size(0)
    labels = check_labels(targets, logit_lengths, target_lengths, frames=T, vocab_size=V, blank=blank)
    rules = Rules(blank, getattr(joint, "hat", False), delay_penalty, fast_emit)
    device = encoder_out.device.type
    products = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    with torch.autocast(device, enabled=False):
        wide = encoder_out.dtype if encoder_out.dtype == torch.float64 else torch.float32
        encoder = joint.encoder_proj(encoder_out.to(wide)).flatten(0, 1)
        predictor = joint.predictor_proj(predictor_out.to(wide)).flatten(0, 1)
        output = joint.output.weight, joint.output.bias
        band = _band(ranges, labels, logit_lengths, target_lengths, rows)
        loss = None
        # On a GPU, many small recursions cost more than making all logits twice.
        if encoder.device.type == "cpu" and backends.backend(encoder.device) == "numba":
            loss = band_loss(encoder, predictor, *output, band, rules, products)
        if loss is None:
            loss = _loss_of_all_nodes(encoder, predictor, *output, band, rules)
        return checked(loss)


def _band(ranges: Tensor, labels: Tensor, logit_lengths: Tensor, target_lengths: Tensor, positions: int) -> Band:
    T, R = ranges.shape[1:]
    # Only nodes of an utterance: padding costs nothing.
    used = inside(logit_lengths, T)[..., None] & (ranges <= target_lengths[:, None, None])
    places = used.flatten().nonzero()[:, 0]
    b, written = places.div(T * R, rounding_mode="floor"), ranges.flatten()[places]
    following = torch.nn.functional.pad(labels, (0, 1), value=0)[b, written]
    return Band(
        first=ranges[..., 0],
        rows=R,
        frames=logit_lengths,
        labels=target_lengths,
        places=places,
        encoder_rows=places.div(R, rounding_mode="floor"),
        predictor_rows=b * positions + written,
        following=following,
        counts=tuple(used.flatten(1).sum(dim=1).tolist()),
    )


def _loss_of_all_nodes(
    encoder: Tensor, predictor: Tensor, weight: Tensor, bias: Tensor, band: Band, rules: Rules
) -> Tensor:
    """All nodes, then one recursion; logits are made again in the backward pass."""
    nodes = torch.stack([band.encoder_rows, band.predictor_rows])
    columns = fused_columns(encoder, predictor, weight, bias, nodes, band.following, blank=rules.blank, hat=rules.hat)
    B, T, R = band.shape
    blanks, nexts = (encoder.new_zeros(B * T * R).index_put((band.places,), x).view(B, T, R) for x in columns)
    if rules.delay_penalty:
        nexts = nexts + rules.delays(band.frames, T)[..., None]
    return lattice_loss(blanks, nexts, band.first, band.frames, band.labels, fast_emit=rules.fast_emit)[0]


class PrunedTransducerLoss(nn.Module):
    """Simple and pruned loss of a transducer; owns the projections of the simple one.

    Args:
        encoder_size: features of the encoder output.
        predictor_size: features of the predictor output.
        joint_size: hidden size of the joint network; not read, the network itself comes with every call.
        vocab_size: number of symbols, blank included.
        prune_range: rows of the band, at least 2; at most prune_range - 1 labels leave in one frame.
        lm_scale, am_scale: smoothing of the simple loss.
        simple_bias: whether the predictor's projection of the simple loss has a bias, too: joint probabilities need
            one, the smoothing with the predictor alone can tell two apart.
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
        simple_bias: bool = False,
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
        self.simple_predictor = nn.Linear(predictor_size, vocab_size, bias=simple_bias)

    def forward(
        self,
        encoder_out: Tensor,
        encoder_lengths: Tensor,
        predictor_out: Tensor,
        targets: Tensor,
        target_lengths: Tensor,
        joint: Any,
    ) -> tuple[Tensor, Tensor]:
        """Simple and pruned loss, (B,) each, in nats; arguments and errors as pruned_rnnt_loss's."""
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
