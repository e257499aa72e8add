"""Filters of mel bands: triangles on a scale of pitch, as weights of the frequencies of a spectrum."""

from __future__ import annotations

import torch
import torchaudio
from torch import Tensor

from espnet_jst.inputs.conf import FilterBankConf


def kaldi_bank(conf: FilterBankConf) -> Tensor:
    """Triangles over 1127 ln(1 + f / 700), (n_fft / 2 + 1, n_mels); none hears half the sampling rate itself."""

    def mel(hz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hz / 700.0)

    low, high = mel(torch.tensor([conf.fmin, conf.top_hz], dtype=torch.float64)).tolist()
    step = (high - low) / (conf.n_mels + 1)
    bins = conf.n_fft // 2
    heard = (mel(torch.arange(bins, dtype=torch.float64) * conf.fs / conf.n_fft) - low)[:, None] / step
    distance = (heard - torch.arange(1, conf.n_mels + 1)).abs()
    return torch.nn.functional.pad((1 - distance).clamp(min=0), (0, 0, 0, 1)).float()


def slaney_bank(conf: FilterBankConf) -> Tensor:
    """librosa's filters: triangles over Hz of equal area, (n_fft / 2 + 1, n_mels)."""
    return torchaudio.functional.melscale_fbanks(
        conf.n_fft // 2 + 1, conf.fmin, conf.top_hz, conf.n_mels, conf.fs, norm="slaney", mel_scale="slaney"
    )
