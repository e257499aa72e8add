"""Energies in mel bands of overlapping windows, whole and as samples come: what all filter banks share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.inputs.conf import FilterBankConf
from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.streams import RowState, Waiting, padded
from espnet_jst.taps import Tap

CACHED_SAMPLES = 1 << 17  # about 3 MB of windows and spectra


@dataclass
class FilterBankState(RowState):
    """Samples that the next frame still needs, from its first one on, and whether a row has made a frame."""

    tail: Waiting
    begun: list[bool]


class FilterBank(StreamingFrontend):
    """The window of frame k covers samples [k * hop - before, k * hop - before + window); those beyond the ends of the
    signal are made up.

    Args:
        conf: sampling rate, bands, window and hop.
        window: the weights of a window, (window,). Where `lead` is 1 the first one is zero.
        bank: the filters, (n_fft / 2 + 1, n_mels); a parameter where they are trained.
        lead: samples that a frame reads before its window: 1 for pre-emphasis, or for a mirror at the end.
        before: samples before the first one that the window of the first frame reaches.
        after: samples behind the last one that the window of the last frame may reach.
    """

    def __init__(
        self, conf: FilterBankConf, *, window: Tensor, bank: Tensor, lead: int = 0, before: int = 0, after: int = 0
    ) -> None:
        super().__init__()
        self.fs, self.n_mels = conf.fs, conf.n_mels
        self.window_samples, self.hop_samples, self.n_fft = conf.window_samples, conf.hop_samples, conf.n_fft
        self.hop_s = self.hop_samples / conf.fs  # 10 ms are no whole number of samples at 11025 Hz
        self.begin_s = -before / conf.fs
        self.span_samples, self.before_samples, self.after_samples = lead + len(window), lead + before, after
        self.register_buffer("window", window, persistent=False)
        if isinstance(bank, nn.Parameter):
            self.bank = bank
        else:
            self.register_buffer("bank", bank, persistent=False)

    def output_size(self) -> int:
        """Features per frame."""
        return self.n_mels

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) samples in [-1, 1], or (B, N, C), and their lengths -> (B, T, n_mels) and frame counts, at least one
        each.
        """
        reach = self.before_samples + self.after_samples - self.span_samples
        lengths = ((input_lengths + reach).div(self.hop_samples, rounding_mode="floor") + 1).clamp(min=1)
        if self.before_samples or input.size(1) < self.span_samples:
            rows = input.size(0)
            input = self._completed(Waiting(input, input_lengths.tolist()), [False] * rows, [True] * rows)[0].x
            input = padded(input, max(self.span_samples, input.size(1)))  # of nothing, one frame
        if input.device.type != "cpu":
            return self._features(input), lengths
        # A few utterances at a time: what lies between samples and features stays in the cache, and its memory is
        # used again instead of being asked for.
        part = max(1, CACHED_SAMPLES // input[0].numel())
        return torch.cat([self._features(rows) for rows in input.split(part)]), lengths

    def init_state(self, batch_size: int, device: torch.device | str = "cpu") -> FilterBankState:
        size = () if self.channels == 1 else (self.channels,)
        return FilterBankState(Waiting.none(batch_size, *size, device=device), [False] * batch_size)

    def ready(self, samples: int) -> int:
        """Frames of a stream that goes on, after so many samples: those whose windows they fill."""
        return self._frames(samples + self.before_samples)

    def step(self, samples: Tap, state: FilterBankState, last: Sequence[bool]) -> tuple[Tap, FilterBankState]:
        """See StreamingFrontend; a signal that is over before one window is full has one frame."""
        waiting = state.tail.append(samples.x, samples.lengths.tolist())
        waiting, frames = self._completed(waiting, state.begun, last)
        begun = [before or count > 0 for before, count in zip(state.begun, frames, strict=True)]
        lengths, most = torch.tensor(frames), max(frames)
        if most == 0:
            empty = waiting.x.new_zeros(len(frames), 0, self.n_mels)
            return Tap(empty, lengths, self.hop_s), FilterBankState(waiting, begun)
        used = (most - 1) * self.hop_samples + self.span_samples
        feats = self._features(padded(waiting.x, max(used, waiting.x.size(1)))[:, :used])
        passed = [
            had if ends else min(count * self.hop_samples, had)
            for count, had, ends in zip(frames, waiting.counts, last, strict=True)
        ]
        return Tap(feats, lengths, self.hop_s), FilterBankState(waiting.drop(passed), begun)

    def _frames(self, samples: int) -> int:
        return max(0, (samples - self.span_samples) // self.hop_samples + 1)

    def _completed(self, waiting: Waiting, begun: Sequence[bool], last: Sequence[bool]) -> tuple[Waiting, list[int]]:
        """The samples with what is made up before them in rows that begin now, and behind them in rows that end; and
        the frames of each row.
        """
        before, behind, frames = [], [], []
        for count, old, ends in zip(waiting.counts, begun, last, strict=True):
            begins = not old and count > 0 and (ends or self.ready(count) > 0)
            before.append(self.before_samples if begins else 0)
            had = count + before[-1]
            ready = self._frames(had + (self.after_samples if ends else 0)) if old or begins else 0
            frames.append(max(ready, 1) if begins else ready)
            needed = (frames[-1] - 1) * self.hop_samples + self.span_samples
            behind.append(max(0, needed - had) if ends and frames[-1] else 0)
        completed = waiting
        if any(before):
            place = torch.arange(-self.before_samples, 0, device=waiting.x.device)
            completed = Waiting(self._beyond(waiting, place), before).append(waiting.x, waiting.counts)
        if any(behind):
            place = torch.arange(max(behind), device=waiting.x.device)
            counts = torch.tensor(waiting.counts, device=waiting.x.device)[:, None]
            completed = completed.append(self._beyond(waiting, counts + place), behind)
        return completed, frames

    def _beyond(self, samples: Waiting, place: Tensor) -> Tensor:
        """(B, n): what is made up at places (B, n) or (n,) before the first or behind the last of the samples that
        wait; here silence.
        """
        return samples.x.new_zeros(samples.x.size(0), place.size(-1), *samples.x.shape[2:])

    def _features(self, samples: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(self._windows(samples), self.n_fft)
        # |z| would take a slow hypot, and a sum over a last axis of two is slow too.
        return self._log_mel(spectrum.real.square() + spectrum.imag.square())

    def _windows(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, T, window), weighted."""
        return samples.unfold(1, self.window_samples, self.hop_samples) * self.window

    @abstractmethod
    def _log_mel(self, power: Tensor) -> Tensor:
        """(B, T, n_fft / 2 + 1) squared magnitudes -> (B, T, n_mels) logarithms of the energies."""
