"""Losses in plain PyTorch; they could be lifted out of the package."""

from espnet_jst.losses.rnnt import additive_rnnt_loss, rnnt_loss

__all__ = ["additive_rnnt_loss", "rnnt_loss"]
