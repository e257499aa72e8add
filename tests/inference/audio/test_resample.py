"""A resampled stream does not depend on its packets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import soxr

from espnet_jst.errors import DataError
from espnet_jst.inference.audio.resample import Resampler, resample


def stream(samples: np.ndarray, cuts: list[int], input_fs: int, output_fs: int) -> np.ndarray:
    resampler = Resampler(input_fs, output_fs)
    bounds = [0, *cuts, len(samples)]
    out = [resampler.push(samples[a:b]) for a, b in itertools.pairwise(bounds)]
    return np.concatenate([*out, resampler.finish()])


@pytest.mark.parametrize("input_fs", [8000, 11025, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("output_fs", [8000, 16000])
def test_any_packets_give_the_samples_of_the_whole_signal(input_fs: int, output_fs: int) -> None:
    rng = np.random.default_rng(input_fs)
    samples = rng.standard_normal(input_fs // 2 + 37).astype(np.float32) * 0.1
    whole = soxr.resample(samples, input_fs, output_fs) if input_fs != output_fs else samples
    for trial in range(5):
        cuts = sorted(int(c) for c in rng.integers(0, len(samples), 10 * trial))
        streamed = stream(samples, cuts, input_fs, output_fs)
        assert len(streamed) == len(whole)
        assert np.abs(streamed - whole).max() <= 1e-5


def test_packets_of_one_sample_give_the_samples_of_the_whole_signal() -> None:
    samples = np.random.default_rng(0).standard_normal(3000).astype(np.float32)
    np.testing.assert_array_equal(stream(samples, list(range(1, 3000)), 48000, 16000), resample(samples, 48000, 16000))


def test_the_same_rate_passes_the_samples_through() -> None:
    samples = np.arange(10, dtype=np.float32)
    np.testing.assert_array_equal(resample(samples, 8000, 8000), samples)


@pytest.mark.parametrize("packet", [1, 160, 5000])
def test_the_input_heard_for_an_output_sample_does_not_depend_on_the_packets(packet: int) -> None:
    samples = np.random.default_rng(1).standard_normal(16000).astype(np.float32)
    resampler, reference = Resampler(16000, 8000), Resampler(16000, 8000)
    reference.push(samples)
    for start in range(0, len(samples), packet):
        resampler.push(samples[start : start + packet])
    for made in (1, 800, 4000, 7000):
        heard = resampler.heard_samples(made)
        assert heard == reference.heard_samples(made)
        assert heard >= 2 * made - 160


def test_a_long_stream_that_is_asked_keeps_its_memory_flat() -> None:
    resampler, made = Resampler(16000, 8000), 0
    for _ in range(50):
        made += len(resampler.push(np.zeros(16000, dtype=np.float32)))
        resampler.heard_samples(made)
        assert len(resampler._log) <= 1


def test_a_rate_outside_8_to_384_khz_is_refused_with_the_fix() -> None:
    with pytest.raises(DataError, match=r"500000 Hz is outside 8000-384000 Hz.*resample"):
        Resampler(500000, 16000)
