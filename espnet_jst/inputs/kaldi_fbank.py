"""Kaldi's filter bank: what icefall trains with, and sherpa-onnx computes on a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from espnet_jst.inputs.conf import KaldiFbankConf
from espnet_jst.inputs.filterbank import FilterBank, FilterBankState
from espnet_jst.inputs.mel import kaldi_bank, slaney_bank
from espnet_jst.keys import takes
from espnet_jst.streams import Waiting, rows_at
from espnet_jst.taps import Tap

END = math.log(1e-10)


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
        self.end_frames = conf.end_frames

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See FilterBank; what is added at the end counts in the lengths."""
        feats, lengths = super().forward(input, input_lengths)
        if self.training or not self.end_frames:
            return feats, lengths
        frames = torch.arange(feats.size(1) + self.end_frames, device=feats.device)
        feats = nn.functional.pad(feats, (0, 0, 0, self.end_frames))
        return feats.masked_fill((frames >= lengths[:, None])[..., None], END), lengths + self.end_frames

    def step(self, samples: Tap, state: FilterBankState, last: Sequence[bool]) -> tuple[Tap, FilterBankState]:
        tap, state = super().step(samples, state, last)
        added = [self.end_frames if ends and begun else 0 for ends, begun in zip(last, state.begun, strict=True)]
        if self.training or not any(added):
            return tap, state
        ended = Waiting(tap.x, tap.lengths.tolist())
        ended = ended.append(tap.x.new_full((len(added), self.end_frames, self.n_mels), END), added)
        return tap._replace(x=ended.x, lengths=torch.tensor(ended.counts)), state

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
