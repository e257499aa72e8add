"""Levels of the signal that the model gets."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.signal import Mixer, Remark, check_numbers

SAMPLES = 48000
SPEECH = 0.3 * np.sin(np.arange(SAMPLES) / 9) * (1 + np.sin(np.arange(SAMPLES) / 3000)) / 2


def noise(level: float, seed: int = 0) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(SAMPLES)


def with_one(value: float) -> np.ndarray:
    return np.where(np.arange(SAMPLES) == 30000, value, SPEECH)


def heard(*channels: np.ndarray, coding: str = "PCM_16", block: int = 5000) -> list[Remark]:
    mixer = Mixer("x")
    samples = np.stack(channels, axis=1).astype(np.float32)
    mono = [mixer.mix(samples[start : start + block]) for start in range(0, SAMPLES, block)]
    assert np.allclose(np.concatenate(mono), samples.mean(axis=1), atol=1e-6)
    return mixer.remarks(coding)


def refused(*channels: np.ndarray, coding: str = "FLOAT") -> str:
    with pytest.raises(BadItem, match="^x: ") as error:
        heard(*channels, coding=coding)
    return error.value.kind


@pytest.mark.parametrize("second", [SPEECH, 0 * SPEECH, -0.7 * SPEECH, noise(0.1), SPEECH + 0.5])
def test_channels_that_leave_something_are_mixed_without_a_word(second):
    assert heard(SPEECH, second) == []


def test_many_channels_of_independent_noise_do_not_cancel():
    assert heard(*(noise(0.1, seed) for seed in range(16))) == []


@pytest.mark.parametrize(
    "channels",
    [(SPEECH, -SPEECH), (SPEECH, -0.99 * SPEECH), (SPEECH + noise(1e-3), -SPEECH + noise(1e-3)),
     (SPEECH + 0.5, -SPEECH + 0.5), (SPEECH + 0.5, -SPEECH - 0.5), (SPEECH, -SPEECH / 2, -SPEECH / 2),
     (SPEECH, -SPEECH, SPEECH, -SPEECH)],
    ids=["cancel", "nearly", "noise is left", "a constant is left", "with constants", "three", "four"],
)  # fmt: skip
def test_channels_that_cancel_each_other_are_refused_as_silence(channels):
    assert refused(*channels) == "audio-silent"


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, -0.9])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_constant_is_silence(constant, channels):
    [remark] = heard(*[np.full(SAMPLES, constant)] * channels)
    assert remark.kind == "audio-silent"
    assert remark.reason == ("every sample is zero" if constant == 0 else "every sample is the same")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 1e10, 1e6, 100.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sample_that_is_no_sane_number_is_refused(value, channels):
    assert refused(*[with_one(value)] * channels) == "audio-nan"


def test_a_packet_can_be_checked_alone():
    assert check_numbers(np.array([0.5, -0.75]), "x") == 0.75
    assert check_numbers(np.zeros((0, 2)), "x") == 0.0
    with pytest.raises(BadItem, match="x: 2 samples are NaN or infinite"):
        check_numbers(np.array([[0.0, np.nan], [np.inf, 1e30]]), "x")
    with pytest.raises(BadItem, match=r"x: a sample of 1e\+30, full scale is 1"):
        check_numbers(np.array([0.0, -1e30]), "x")


@pytest.mark.parametrize("signal", [SPEECH * 32768, SPEECH * 2**30, SPEECH * 8, with_one(5.0)])
def test_samples_over_full_scale_are_told(signal):
    [remark] = heard(signal, coding="FLOAT")
    assert remark.kind == "audio-loud" and remark.fix == "divide them by their largest value"


def test_the_overshoot_of_a_lossy_codec_is_not_told():
    assert heard(SPEECH * 4.5) == []


@pytest.mark.parametrize("coding", ["PCM_32", "FLOAT", "DOUBLE", "PCM_24"])
def test_values_of_16_bits_in_32_are_refused(coding):
    assert refused(SPEECH / 2**16, coding=coding) == "audio-quiet"


@pytest.mark.parametrize(("signal", "coding"), [(SPEECH / 256, "PCM_24"), (SPEECH / 256, "PCM_32"),
                                                (np.sign(noise(1)) / 32768, "PCM_16")])  # fmt: skip
def test_a_signal_that_is_hardly_there_is_told(signal, coding):
    [remark] = heard(signal, coding=coding)
    assert remark.kind == "audio-quiet"
