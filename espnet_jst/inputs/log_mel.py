"""Log-mel filter banks that never look beyond the frame: no centred STFT, so streaming and offline agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torchaudio
from torch import Tensor, nn

from espnet_jst.inputs.conf import LogMelConf
from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.keys import takes
from espnet_jst.streams import RowState, Waiting
from espnet_jst.taps import Tap

CACHED_SAMPLES = 1 << 17  # about 3 MB of windows and spectra


@dataclass
class LogMelState(RowState):
    """Samples that the next frame still needs, and whether a row has made a frame."""

    tail: Waiting
    begun: list[bool]


class LogMel(StreamingFrontend):
    """Log-mel energies of overlapping windows; frame k covers samples [k * hop, k * hop + window)."""

    @takes(LogMelConf)
    def __init__(self, conf: LogMelConf) -> None:
        super().__init__()
        self.fs, self.n_mels, self.floor = conf.fs, conf.n_mels, conf.floor
        self.window_samples = round(conf.window_s * conf.fs)
        self.hop_samples = round(conf.hop_s * conf.fs)
        self.hop_s = self.hop_samples / conf.fs  # 10 ms are no whole number of samples at 11025 Hz
        self.n_fft = 1 << (self.window_samples - 1).bit_length()
        fmax = conf.fs / 2 if conf.fmax is None else conf.fmax
        bank = torchaudio.functional.melscale_fbanks(
            self.n_fft // 2 + 1, conf.fmin, fmax, conf.n_mels, conf.fs, mel_scale="htk"
        )
        if conf.trainable:
            self.bank = nn.Parameter(bank)
        else:
            self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(self.window_samples, periodic=False), persistent=False)

    def output_size(self) -> int:
        """Features per frame."""
        return self.n_mels

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
        return LogMelState(Waiting.none(batch_size, device=device), [False] * batch_size)

    def ready(self, samples: int) -> int:
        """Frames of a stream that goes on, after so many samples."""
        return max(0, (samples - self.window_samples) // self.hop_samples + 1)

    def step(self, samples: Tap, state: LogMelState, last: Sequence[bool]) -> tuple[Tap, LogMelState]:
        """See StreamingFrontend; a signal that is over before one window is full is padded to one frame."""
        waiting = state.tail.append(samples.x, samples.lengths.tolist())
        counts = [
            self.window_samples if ends and not begun and 0 < count < self.window_samples else count
            for count, ends, begun in zip(waiting.counts, last, state.begun, strict=True)
        ]
        frames = [self.ready(count) for count in counts]
        begun = [before or count > 0 for before, count in zip(state.begun, frames, strict=True)]
        lengths, most = torch.tensor(frames), max(frames)
        if most == 0:
            empty = waiting.x.new_zeros(len(frames), 0, self.n_mels)
            return Tap(empty, lengths, self.hop_s), LogMelState(waiting, begun)
        used = (most - 1) * self.hop_samples + self.window_samples
        feats = self._features(nn.functional.pad(waiting.x, (0, max(0, used - waiting.x.size(1))))[:, :used])
        passed = [min(count * self.hop_samples, had) for count, had in zip(frames, waiting.counts, strict=True)]
        return Tap(feats, lengths, self.hop_s), LogMelState(waiting.drop(passed), begun)

    def _features(self, samples: Tensor) -> Tensor:
        frames = samples.unfold(1, self.window_samples, self.hop_samples) * self.window
        spectrum = torch.fft.rfft(frames, self.n_fft)
        # |z| would take a slow hypot, and a sum over a last axis of two is slow too.
        power = (spectrum.real.square() + spectrum.imag.square()) / self.window.sum().square()
        return (power @ self.bank).clamp(min=self.floor).log()
