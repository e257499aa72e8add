"""Filters of mel bands: triangles on a scale of pitch, as weights of the frequencies of a spectrum."""

from __future__ import annotations

import logging
import math

import torch
from torch import Tensor

from espnet_jst.inputs.conf import FilterBankConf

SLANEY_BREAK_HZ, SLANEY_STEP_HZ = 1000.0, 200.0 / 3  # even steps below, even ratios above
SLANEY_RATIO = math.log(6.4) / 27


def kaldi_bank(conf: FilterBankConf) -> Tensor:
    """Triangles over 1127 ln(1 + f / 700), (n_fft / 2 + 1, n_mels); none hears half the sampling rate itself."""
    low, high, heard = (1127.0 * torch.log1p(hz / 700.0) for hz in _frequencies(conf))
    step = (high - low) / (conf.n_mels + 1)
    distance = ((heard[:-1, None] - low) / step - torch.arange(1, conf.n_mels + 1)).abs()
    return _heard(torch.nn.functional.pad((1 - distance).clamp(min=0), (0, 0, 0, 1)), conf)


def slaney_bank(conf: FilterBankConf) -> Tensor:
    """librosa's filters, (n_fft / 2 + 1, n_mels): triangles over Hz of equal area, even on Slaney's scale of pitch."""
    low, high, heard = _frequencies(conf)
    pitch = torch.linspace(float(_slaney(low)), float(_slaney(high)), conf.n_mels + 2, dtype=torch.float64)
    steps_above = pitch - SLANEY_BREAK_HZ / SLANEY_STEP_HZ
    corners = torch.where(steps_above > 0, SLANEY_BREAK_HZ * (SLANEY_RATIO * steps_above).exp(), SLANEY_STEP_HZ * pitch)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (heard[:, None] - left) / (middle - left), (right - heard[:, None]) / (right - middle)
    return _heard(torch.minimum(rising, falling).clamp(min=0) * 2 / (right - left), conf)


def _heard(bank: Tensor, conf: FilterBankConf) -> Tensor:
    """The filters as float32; some that hear nothing are said."""
    deaf = int((bank == 0).all(0).sum())
    if deaf:
        logging.warning(
            f"n_mels={conf.n_mels}: {deaf} of the bands hear nothing, because they are narrower than the "
            f"{conf.fs / conf.n_fft:.3g} Hz between two frequencies of the spectrum; give fewer, or a longer window_s"
        )
    return bank.float()


def _slaney(hz: Tensor) -> Tensor:
    above = SLANEY_BREAK_HZ / SLANEY_STEP_HZ + (hz / SLANEY_BREAK_HZ).log() / SLANEY_RATIO
    return torch.where(hz > SLANEY_BREAK_HZ, above, hz / SLANEY_STEP_HZ)


def _frequencies(conf: FilterBankConf) -> tuple[Tensor, Tensor, Tensor]:
    """Lowest and highest frequency of the bank, and those of the spectrum, (n_fft / 2 + 1,), in Hz, float64."""
    spectrum = torch.arange(conf.n_fft // 2 + 1, dtype=torch.float64) * conf.fs / conf.n_fft
    return torch.tensor(conf.fmin, dtype=torch.float64), torch.tensor(conf.top_hz, dtype=torch.float64), spectrum
