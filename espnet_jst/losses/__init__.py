"""Losses in plain PyTorch; they could be lifted out of the package."""

from espnet_jst.losses.pruned_rnnt import PrunedTransducerLoss, pruned_rnnt_loss
from espnet_jst.losses.rnnt import rnnt_loss
from espnet_jst.losses.simple import prune_ranges, simple_rnnt_loss

__all__ = ["PrunedTransducerLoss", "prune_ranges", "pruned_rnnt_loss", "rnnt_loss", "simple_rnnt_loss"]
