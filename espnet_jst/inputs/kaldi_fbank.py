"""Kaldi's filter bank: what icefall trains with, and sherpa-onnx computes on a phone."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.inputs.conf import KaldiFbankConf
from espnet_jst.inputs.filterbank import FilterBank
from espnet_jst.inputs.mel import kaldi_bank, slaney_bank
from espnet_jst.keys import takes
from espnet_jst.streams import Waiting, rows_at


class KaldiFbank(FilterBank):
    """Windows whose middle is that of the hop that they stand for; beyond the ends the signal is mirrored.

    These are Kaldi's frames without `snip_edges`, round(samples / hop) of them, but at least one: Kaldi has none of a
    signal shorter than half a hop.
    """

    @takes(KaldiFbankConf)
    def __init__(self, conf: KaldiFbankConf) -> None:
        size = conf.window_samples
        if conf.window == "povey":
            window = torch.hann_window(size, periodic=False, dtype=torch.float64) ** 0.85
        else:
            window = torch.hann_window(size, periodic=True, dtype=torch.float64)
        bank = kaldi_bank(conf) if conf.mel_scale == "kaldi" else slaney_bank(conf)
        before = size // 2 - conf.hop_samples // 2
        super().__init__(
            conf, window=(conf.scale * window).float(), bank=bank, lead=1, before=before, after=size - size // 2
        )
        self.preemphasis, self.remove_dc, self.floor = conf.preemphasis, conf.remove_dc, conf.floor

    def _beyond(self, samples: Waiting, place: Tensor) -> Tensor:
        """The signal mirrored, its last sample twice; again and again where it is shorter than what is asked for."""
        counts = torch.tensor(samples.counts, device=place.device).clamp(min=1)[:, None]
        place = place % (2 * counts)
        return rows_at(samples.x, torch.minimum(place, 2 * counts - 1 - place))

    def _windows(self, samples: Tensor) -> Tensor:
        """Kaldi takes the mean off each window and emphasizes the rest; both are linear, and the first sample of a
        window has no weight, so here the signal is emphasized, and what is left of the mean is taken off.
        """
        signal = samples[:, 1:]
        emphasized = torch.sub(signal, samples[:, :-1], alpha=self.preemphasis)
        frames = emphasized.unfold(1, self.window_samples, self.hop_samples)
        if not self.remove_dc:
            return frames * self.window
        mean = signal.unfold(1, self.window_samples, self.hop_samples).mean(-1, keepdim=True)
        return torch.sub(frames, mean, alpha=1 - self.preemphasis).mul_(self.window)

    def _log_mel(self, power: Tensor) -> Tensor:
        return (power @ self.bank).clamp(min=self.floor).log()
