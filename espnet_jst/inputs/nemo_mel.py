"""NeMo's filter bank, which is librosa's with pre-emphasis: a centred transform of the whole signal."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_jst.inputs.conf import NemoMelConf
from espnet_jst.inputs.filterbank import FilterBank
from espnet_jst.inputs.mel import slaney_bank
from espnet_jst.keys import takes
from espnet_jst.streams import Waiting, rows_at


class NemoMel(FilterBank):
    """Windows whose middle is sample k * hop; beyond the ends is silence.

    There are samples // hop + 1 frames, as librosa has them; NeMo leaves the last one out.
    """

    @takes(NemoMelConf)
    def __init__(self, conf: NemoMelConf) -> None:
        size = conf.window_samples
        # The transform is longer than the window, which stands in its middle: only a phase, which nobody looks at.
        left = conf.n_fft // 2 - (conf.n_fft - size) // 2
        window = torch.hann_window(size, periodic=False)
        super().__init__(conf, window=window, bank=slaney_bank(conf), lead=1, before=left, after=size - left)
        self.preemphasis, self.guard = conf.preemphasis, conf.guard

    def _beyond(self, samples: Waiting, place: Tensor) -> Tensor:
        """What pre-emphasis makes silence of: nothing before the signal, and behind it a last sample that fades."""
        if self.preemphasis == 0.0:
            return super()._beyond(samples, place)
        counts = torch.tensor(samples.counts, device=place.device)[:, None]
        behind = place - counts + 1
        faded = rows_at(samples.x, (counts - 1).clamp(min=0)) * self.preemphasis ** behind.clamp(min=0)
        return torch.where(behind > 0, faded, 0.0)

    def _windows(self, samples: Tensor) -> Tensor:
        emphasized = torch.sub(samples[:, 1:], samples[:, :-1], alpha=self.preemphasis)
        return emphasized.unfold(1, self.window_samples, self.hop_samples) * self.window

    def _log_mel(self, power: Tensor) -> Tensor:
        return (power @ self.bank + self.guard).log()
