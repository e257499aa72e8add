"""Log-mel filter banks that never look beyond the frame: no centred STFT, so streaming and offline agree."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchaudio
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor

from espnet_jst.inputs.conf import LogMelConf
from espnet_jst.keys import takes

CACHED_SAMPLES = 1 << 17  # about 3 MB of windows and spectra


@dataclass
class LogMelState:
    """Samples that the next frame still needs, (B, n)."""

    tail: Tensor


class LogMel(AbsFrontend):
    """Log-mel energies of overlapping windows; frame k covers samples [k * hop, k * hop + window)."""

    @takes(LogMelConf)
    def __init__(self, conf: LogMelConf) -> None:
        super().__init__()
        self.fs, self.n_mels, self.hop_s, self.floor = conf.fs, conf.n_mels, conf.hop_s, conf.floor
        self.window_samples = round(conf.window_s * conf.fs)
        self.hop_samples = round(conf.hop_s * conf.fs)
        self.n_fft = 1 << (self.window_samples - 1).bit_length()
        fmax = conf.fs / 2 if conf.fmax is None else conf.fmax
        bank = torchaudio.functional.melscale_fbanks(
            self.n_fft // 2 + 1, conf.fmin, fmax, conf.n_mels, conf.fs, mel_scale="htk"
        )
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(self.window_samples, periodic=False), persistent=False)

    def output_size(self) -> int:
        """Features per frame."""
        return self.n_mels

    def frames(self, samples: int) -> int:
        """Number of frames of `samples` samples; a signal shorter than one window gives one frame."""
        return max(1, (samples - self.window_samples) // self.hop_samples + 1)

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) samples in [-1, 1] and their lengths -> (B, T, n_mels) and frame counts, at least one each."""
        if input.size(1) < self.window_samples:
            input = torch.nn.functional.pad(input, (0, self.window_samples - input.size(1)))
        lengths = ((input_lengths - self.window_samples).div(self.hop_samples, rounding_mode="floor") + 1).clamp(min=1)
        if input.device.type != "cpu":
            return self._features(input), lengths
        # A few utterances at a time: what lies between samples and features stays in the cache, and its memory is
        # used again instead of being asked for.
        rows = max(1, CACHED_SAMPLES // input.size(1))
        return torch.cat([self._features(part) for part in input.split(rows)]), lengths

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> LogMelState:
        """State before the first sample."""
        return LogMelState(torch.zeros(batch_size, 0, device=device))

    def step(self, samples: Tensor, state: LogMelState, *, first: bool, last: bool) -> tuple[Tensor, LogMelState]:
        """(B, n) new samples -> the frames that are complete, (B, T, n_mels), T may be 0.

        `first` says that no frame has been made yet and `last` that no sample follows: together they decide
        whether a signal shorter than one window is padded to one frame.
        """
        samples = torch.cat([state.tail, samples], dim=1)
        if first and last and samples.size(1) < self.window_samples:
            samples = torch.nn.functional.pad(samples, (0, self.window_samples - samples.size(1)))
        count = max(0, (samples.size(1) - self.window_samples) // self.hop_samples + 1)
        if count == 0:
            return samples.new_zeros(samples.size(0), 0, self.n_mels), LogMelState(samples)
        used = (count - 1) * self.hop_samples + self.window_samples
        return self._features(samples[:, :used]), LogMelState(samples[:, count * self.hop_samples :])

    def _features(self, samples: Tensor) -> Tensor:
        frames = samples.unfold(1, self.window_samples, self.hop_samples) * self.window
        spectrum = torch.fft.rfft(frames, self.n_fft)
        # |z| would take a slow hypot, and a sum over a last axis of two is slow too.
        power = (spectrum.real.square() + spectrum.imag.square()) / self.window.sum().square()
        return (power @ self.bank).clamp(min=self.floor).log()
