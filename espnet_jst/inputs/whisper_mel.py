"""Whisper's filter bank (arXiv:2212.04356) as a stream computes it."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.inputs.conf import WhisperMelConf
from espnet_jst.inputs.filterbank import FilterBank
from espnet_jst.inputs.mel import slaney_bank
from espnet_jst.keys import takes

LEAST = 1e-10  # power before the logarithm


class WhisperMel(FilterBank):
    """Frame k covers samples [k * hop, k * hop + window), where Whisper's is centred on the first of them."""

    @takes(WhisperMelConf)
    def __init__(self, conf: WhisperMelConf) -> None:
        super().__init__(conf, window=torch.hann_window(conf.window_samples), bank=slaney_bank(conf))
        self.floor = conf.floor

    def _log_mel(self, power: Tensor) -> Tensor:
        return ((power @ self.bank).clamp(min=LEAST).log10().clamp(min=self.floor) + 4.0) / 4.0
