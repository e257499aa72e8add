"""Log-mel filter banks that never look beyond the frame: no centred STFT, so streaming and offline agree."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor, nn

from espnet_jst.inputs.conf import LogMelConf
from espnet_jst.inputs.filterbank import FilterBank
from espnet_jst.keys import takes


class LogMel(FilterBank):
    """Log-mel energies of overlapping windows; frame k covers samples [k * hop, k * hop + window)."""

    @takes(LogMelConf)
    def __init__(self, conf: LogMelConf) -> None:
        bank = torchaudio.functional.melscale_fbanks(
            conf.n_fft // 2 + 1, conf.fmin, conf.top_hz, conf.n_mels, conf.fs, mel_scale="htk"
        )
        window = torch.hann_window(conf.window_samples, periodic=False)
        super().__init__(conf, window=window, bank=nn.Parameter(bank) if conf.trainable else bank)
        self.floor, self.remove_dc = conf.floor, conf.remove_dc

    def weighted(self, windows: Tensor) -> Tensor:
        """Windows of samples (..., window) as they are transformed."""
        if self.remove_dc:
            windows = windows - windows.mean(dim=-1, keepdim=True)
        return windows * self.window

    def _windows(self, samples: Tensor) -> Tensor:
        return self.weighted(samples.unfold(1, self.window_samples, self.hop_samples))

    def _log_mel(self, power: Tensor) -> Tensor:
        return (power / self.window.sum().square() @ self.bank).clamp(min=self.floor).log()
