"""Recordings that are disturbed: by how much, and always in the same way."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.disturbance import Disturbance
from espnet_jst.errors import ConfigError

FS = 8000


def tone(hz: float, seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    return level * np.sin(2 * np.pi * hz * np.arange(int(seconds * FS)) / FS)[:, None]


def power_at(samples: np.ndarray, hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples[:, 0])) ** 2
    return float(spectrum[round(hz * len(samples) / FS)])


def test_offset_and_level_are_those_asked_for() -> None:
    samples = tone(440)
    assert Disturbance(offset=0.3).apply(samples, FS, "a").mean() == pytest.approx(0.3, abs=1e-3)
    for level_db in (0.0, -20.0, -40.0):
        found = Disturbance(level_db=level_db).apply(samples, FS, "a")
        assert np.abs(found).max() == pytest.approx(10 ** (level_db / 20), rel=1e-3)
    silence = np.zeros((100, 2))
    assert not Disturbance(level_db=0.0).apply(silence, FS, "a").any()
    assert np.abs(Disturbance(offset=0.5).apply(tone(440, level=0.9), FS, "a")).max() == 1.0


def test_a_band_leaves_what_is_inside() -> None:
    mixed = tone(100) + tone(1000) + tone(3800)
    found = Disturbance(band_hz=(300, 3400)).apply(mixed, FS, "a")
    assert power_at(found, 1000) == pytest.approx(power_at(mixed, 1000), rel=1e-3)
    assert max(power_at(found, 100), power_at(found, 3800)) < 1e-6 * power_at(mixed, 1000)


def test_noise_has_its_ratio_and_belongs_to_the_name() -> None:
    samples = tone(440)
    noisy = Disturbance(noise_snr_db=10.0)
    noise = noisy.apply(samples, FS, "a") - samples
    assert 10 * np.log10(np.mean(samples**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.2)
    assert np.array_equal(noisy.apply(samples, FS, "a"), noisy.apply(samples, FS, "a"))
    assert not np.array_equal(noisy.apply(samples, FS, "a"), noisy.apply(samples, FS, "b"))


def test_a_faster_recording_is_shorter_and_higher() -> None:
    found = Disturbance(speed=1.25).apply(tone(400), FS, "a")
    assert len(found) == pytest.approx(FS / 1.25, abs=2)
    assert np.abs(np.fft.rfft(found[:, 0])).argmax() * FS / len(found) == pytest.approx(500, abs=2)


def test_a_band_without_width_is_refused() -> None:
    with pytest.raises(ConfigError, match="the first frequency must be the lower one"):
        Disturbance(band_hz=(3400, 300))
