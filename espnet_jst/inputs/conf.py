"""Keys of the inputs: `frontend_conf`, `normalize_conf`, `specaug_conf`, and those of `model_conf.inputs`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, required

_STATS = "give feats_stats.npz (count, sum, sum_square), which stage 10 writes"


@dataclass(frozen=True, kw_only=True)
class FilterBankConf(Conf):
    """What all filter banks have."""

    fs: int = key(
        16000, "sampling rate in Hz, a property of the model: other audio is resampled before", low=1000, high=192_000
    )
    n_mels: int = key(80, "number of mel bands", low=1, high=256)
    window_s: float = key(0.025, "window length in seconds", low=0.001, high=0.2)
    hop_s: float = key(0.010, "frame shift in seconds, at most window_s", low=0.001, high=0.1)
    fmin: float = key(20.0, "lowest frequency of the filter bank in Hz", low=0, high=100_000)
    fmax: float | None = key(None, "highest frequency in Hz; half the sampling rate by default", low=1, high=100_000)

    def samples(self, seconds: float) -> int:
        """Whole samples of a window or hop."""
        return round(seconds * self.fs)

    @property
    def window_samples(self) -> int:
        """Samples of a window."""
        return self.samples(self.window_s)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return self.samples(self.hop_s)

    @property
    def n_fft(self) -> int:
        """Samples that are transformed: a power of two, zeros behind the window."""
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def top_hz(self) -> float:
        """Highest frequency in Hz."""
        return self.fs / 2 if self.fmax is None else self.fmax

    def check(self) -> None:
        """Refuse a hop that leaves samples out, and bands that nothing reaches."""
        if not 0 < self.hop_samples <= self.window_samples:
            raise ConfigError(f"hop_s={self.hop_s} must be positive and at most window_s={self.window_s}")
        if not self.fmin < self.top_hz <= self.fs / 2:
            raise ConfigError(
                f"fmin={self.fmin:g} and fmax={self.top_hz:g} Hz: give a band below {self.fs / 2:g} Hz, half of "
                f"fs={self.fs}"
            )
        width_hz = self.fs / self.n_fft
        heard = math.floor(self.top_hz / width_hz) - math.ceil(self.fmin / width_hz) + 1
        if self.n_mels > heard:
            raise ConfigError(
                f"n_mels={self.n_mels}: a window of {self.window_s:g} s at {self.fs} Hz has {heard} frequencies from "
                f"{self.fmin:g} to {self.top_hz:g} Hz; give fewer bands"
            )


@dataclass(frozen=True, kw_only=True)
class LogMelConf(FilterBankConf):
    """Log-mel energies of overlapping windows that never look beyond the frame."""

    floor: float = key(1e-7, "smallest mel power before the logarithm, about -100 dBFS by default", low=1e-30, high=1.0)
    trainable: bool = key(False, "train the filters, from the mel filters on")
    remove_dc: bool = key(
        False,
        "take the mean off each window, so that a constant in the samples changes nothing; a choice before a training",
    )


@dataclass(frozen=True, kw_only=True)
class KaldiFbankConf(FilterBankConf):
    """Kaldi's filter bank, as sherpa-onnx computes it and as lhotse's kaldifeat features, which icefall trains with.

    There is no dither, and `snip_edges` is false.
    """

    fmax: float | None = key(
        -400.0,
        "highest frequency in Hz; zero or less: by so much below half the sampling rate",
        low=-100_000,
        high=100_000,
    )
    scale: float = key(
        1.0,
        "factor of the samples, which are in [-1, 1]: 32768 for a model trained on 16-bit values",
        low=1,
        high=32768,
    )
    preemphasis: float = key(0.97, "share of the sample before that is taken off each one", low=0, high=1)
    remove_dc: bool = key(True, "take the mean off each window")
    window: str = key("povey", "povey: Kaldi's; hann: the periodic one", choices=("povey", "hann"))
    mel_scale: str = key(
        "kaldi", "kaldi: 1127 ln(1 + f / 700); slaney: librosa's, of equal area", choices=("kaldi", "slaney")
    )
    floor: float = key(2.0**-23, "smallest energy before the logarithm: float32's epsilon", low=1e-30, high=1.0)
    end_frames: int = key(
        0, "in decoding, frames of ln 1e-10 behind the last one: 30 where icefall decodes streams", low=0, high=1000
    )

    def samples(self, seconds: float) -> int:
        """Kaldi cuts off what is no whole sample."""
        return _whole(seconds * self.fs)

    @property
    def top_hz(self) -> float:
        """Highest frequency in Hz."""
        return self.fmax if self.fmax and self.fmax > 0 else self.fs / 2 + (self.fmax or 0.0)


@dataclass(frozen=True, kw_only=True)
class NemoMelConf(FilterBankConf):
    """NeMo's `AudioToMelSpectrogramPreprocessor` without its normalization and dither: librosa's filters, a centred
    transform.
    """

    fmin: float = key(0.0, "lowest frequency of the filter bank in Hz", low=0, high=100_000)
    preemphasis: float = key(0.97, "share of the sample before that is taken off each one", low=0, high=1)
    guard: float = key(2.0**-24, "added to the energy before the logarithm", low=1e-30, high=1.0)

    def samples(self, seconds: float) -> int:
        """NeMo cuts off what is no whole sample."""
        return _whole(seconds * self.fs)


@dataclass(frozen=True, kw_only=True)
class WhisperMelConf(FilterBankConf):
    """Whisper's log-mel bands, but for what it takes from the whole utterance: the floor is fixed."""

    fmin: float = key(0.0, "lowest frequency of the filter bank in Hz", low=0, high=100_000)
    floor: float = key(
        -6.5, "smallest power of ten of a band; Whisper's is 8 below the loudest of the utterance", low=-10, high=0
    )

    @property
    def n_fft(self) -> int:
        """Samples that are transformed: those of the window."""
        return self.window_samples


def _whole(samples: float) -> int:
    """Rounded down, but for what the multiplication has lost: 0.0175 s at 16 kHz are 280 samples."""
    return math.floor(samples + 1e-6)


@dataclass(frozen=True, kw_only=True)
class RunningMVNConf(Conf):
    """Global variance, and a mean that follows the channel causally: what a stream can compute."""

    stats_file: Path | str = required(_STATS)
    prior_frames: float = key(
        100.0, "weight of the global mean, in frames; .inf gives plain global normalization", low=0, high=math.inf
    )
    half_life_frames: float = key(400.0, "after so many frames a frame counts half", low=1, high=math.inf)
    ignore_silence: bool = key(
        False,
        "leave frames of digital silence, in which all features are equal, out of the mean, so that speech after a "
        "long pause is normalized as at the start; to be chosen before a training",
    )
    eps: float = key(1e-3, "floor of the standard deviation", low=0, high=1)


@dataclass(frozen=True, kw_only=True)
class GlobalMVNConf(Conf):
    """ESPnet's: mean and variance of the training data."""

    stats_file: Path | str = required(_STATS)
    norm_means: bool = key(True, "subtract the mean")
    norm_vars: bool = key(True, "divide by the standard deviation")
    eps: float = key(1e-20, "floor of the standard deviation", low=0, high=1)


@dataclass(frozen=True, kw_only=True)
class SpecAugConf(Conf):
    """ESPnet's SpecAugment (arXiv:1904.08779): a time warp, bands and stretches of time that are masked."""

    apply_time_warp: bool = key(True, "warp the time")
    time_warp_window: int = key(5, "frames that the centre moves at most", low=1, high=10_000)
    time_warp_mode: str = key("bicubic", "interpolation", choices=("bicubic", "bilinear", "nearest"))
    apply_freq_mask: bool = key(True, "mask bands")
    freq_mask_width_range: int | Sequence[int] = key((0, 20), "narrowest and widest band", low=0, high=10_000)
    num_freq_mask: int = key(2, "bands", low=0, high=1000)
    apply_time_mask: bool = key(True, "mask stretches of time")
    time_mask_width_range: int | Sequence[int] | None = key(
        None, "shortest and longest stretch in frames", low=0, high=100_000
    )
    time_mask_width_ratio_range: float | Sequence[float] | None = key(
        None, "the same as shares of the utterance", low=0, high=1
    )
    num_time_mask: int = key(2, "stretches", low=0, high=1000)
    replace_with_zero: bool = key(True, "mask with zeros, else with the mean")

    def check(self) -> None:
        """Refuse what ESPnet's class refuses."""
        if not (self.apply_time_warp or self.apply_freq_mask or self.apply_time_mask):
            raise ConfigError("one of apply_time_warp, apply_freq_mask and apply_time_mask must be true")
        given = (self.time_mask_width_range is not None) + (self.time_mask_width_ratio_range is not None)
        if self.apply_time_mask and given != 1:
            raise ConfigError("apply_time_mask needs one of time_mask_width_range and time_mask_width_ratio_range")


@dataclass(frozen=True, kw_only=True)
class LhotseSpecAugConf(Conf):
    """SpecAugment with Lhotse's rules and defaults: masks by the length of each utterance, filled with its mean."""

    prob: float = key(0.9, "share of the utterances that are warped, and of those that are masked", low=0, high=1)
    time_warp_frames: int = key(
        80,
        "frames that a point in time moves at most; utterances of no more than twice as many stay",
        low=0,
        high=10_000,
    )
    freq_masks: int = key(2, "bands", low=0, high=100)
    freq_mask_bands: int = key(27, "their widths are drawn from 0 to below this", low=1, high=256)
    time_masks: int = key(10, "stretches of time at most", low=0, high=100)
    time_mask_frames: int = key(100, "their widths are drawn from 0 to below this", low=1, high=100_000)
    time_mask_share: float = key(0.15, "of the frames of an utterance, hidden at most", low=0, high=1)
    views_ratio: float = key(
        2.5,
        "factor on time_masks and time_mask_share where views are compared, as cr_ctc does (arXiv:2410.05101)",
        low=1,
        high=100,
    )

    def check(self) -> None:
        """Refuse to hide more than there is."""
        if self.time_mask_share * self.views_ratio > 1:
            raise ConfigError(
                f"time_mask_share {self.time_mask_share:g} times views_ratio {self.views_ratio:g} is more than the "
                "whole utterance"
            )


@dataclass(frozen=True, kw_only=True)
class TokenInputConf(Conf):
    """Text as an input: an embedding of each token, several times (arXiv:2309.15826, 2412.15415)."""

    repeat: int = key(1, "frames of a token, so that text is about as long as speech", low=1, high=64)
    places: bool = key(False, "a vector for each frame of a token, so that one is told from two equal ones in a row")
    mask_share: float = key(
        0.0, "of the frames of a sequence, set to zero in training at most, in stretches", low=0, high=1
    )
    mask_frames: int = key(10, "widths of those stretches are drawn from 0 to below this", low=2, high=1000)
    unit_set: Path | str | None = key(
        None, "file of a unit set, where the tokens are units of speech: the model reads audio with it"
    )
    unit_case: str = key(
        "rm", "rm: each run of a unit once, ts: a unit a frame, as ESPnet's asr2.sh", choices=("rm", "ts")
    )


@dataclass(frozen=True, kw_only=True)
class TrainedConf(Conf):
    """An encoder that this package has trained, up to one of its layers, as it is: its frames are the features."""

    model: Path | str | None = key(None, "folder of an experiment, with config.yaml and valid.loss.ave.pth")
    layer: int | None = key(None, "whose frames are read, 1 to as many as it has; by default the last one", low=1)
    chunk_s: float = key(
        0.0,
        "seconds of its chunks, before which it has the left context of its training, so that it can be heard as a "
        "stream; 0: whole utterances",
        low=0,
        high=30,
    )
    architecture: Mapping[str, Any] | None = key(
        None, "its parts and sizes: written by a training, so that a trained model needs nothing but its own files"
    )
    written: ClassVar[tuple[str, ...]] = ("architecture",)

    def check(self) -> None:
        """Refuse neither a model nor parts."""
        if self.model is None and self.architecture is None:
            raise ConfigError("model is missing: give the folder of an experiment")
