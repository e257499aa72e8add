"""The frontend `beam_bank` (arXiv:2412.15415): microphones -> beams -> log-mel energies of each -> one stream."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from espnet_jst.errors import DataError
from espnet_jst.inputs.beams.conf import BeamBankConf
from espnet_jst.inputs.beams.design import beams_of, design
from espnet_jst.inputs.beams.merge import Merge
from espnet_jst.inputs.conf import LogMelConf
from espnet_jst.inputs.log_mel import LogMel
from espnet_jst.keys import keys_of, takes

FRAMES, GPU_FRAMES = 64, 4096  # at once: 37 kB each, of five microphones and 13 beams at 16 kHz


class BeamBank(LogMel):
    """The frames are those of LogMel, the beams change nothing in time: frame k covers samples
    [k * hop, k * hop + window) of every microphone.

    Samples are (B, N, C), a channel a microphone. A beam passes its direction as the first microphone hears it.
    """

    beams: Tensor

    @takes(BeamBankConf)
    def __init__(self, conf: BeamBankConf) -> None:
        super().__init__(**{name: getattr(conf, name) for name in keys_of(LogMelConf)})
        self.channels = len(conf.microphones)
        weights = design(conf)
        # Real and imaginary part: `Module.to` would cut the second one off a complex tensor.
        parts = torch.from_numpy(np.stack([weights.real, weights.imag])).float()
        if conf.train_beams:
            self.beams = nn.Parameter(parts)
        else:
            self.register_buffer("beams", parts, persistent=False)
        self.merge = Merge(len(beams_of(conf)), channels=conf.merge_channels, kernel=conf.merge_kernel)

    def _features(self, samples: Tensor) -> Tensor:
        """(B, N, C) -> (B, T, n_mels)."""
        if samples.dim() != 3 or samples.size(2) != self.channels:
            raise DataError(
                f"samples of shape {tuple(samples.shape)}: the frontend beam_bank takes {self.channels} channels, "
                f"(batch, samples, {self.channels})"
            )
        frames = samples.unfold(1, self.window_samples, self.hop_samples)  # (B, T, C, window)
        most = FRAMES if samples.device.type == "cpu" else GPU_FRAMES
        parts = frames.split(max(1, most // frames.size(0)), dim=1)
        return torch.cat([self.merge(self._of_beams(part)) for part in parts], dim=1)

    def _of_beams(self, frames: Tensor) -> Tensor:
        """(B, T, C, window) -> log-mel energies of every beam, (B, T, K, n_mels)."""
        spectra = torch.fft.rfft(self.weighted(frames), self.n_fft)
        real, imaginary = self.beams
        heard = torch.einsum("btcf,kfc->btkf", spectra, torch.complex(real, -imaginary))
        return self._log_mel(heard.real.square() + heard.imag.square())
