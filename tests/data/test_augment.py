"""Augmentation changes what it says, within its ranges, from NumPy's seed."""

import numpy as np
import pytest

from espnet_jst.data.augment import Augmentation, add_white_noise, change_speed
from espnet_jst.errors import ConfigError


def tone(samples=8000):
    return (0.5 * np.sin(2 * np.pi * 400 * np.arange(samples) / 8000)).astype(np.float32)


def test_nothing_is_changed_by_default():
    assert np.array_equal(Augmentation.parse({})(tone()), tone())


def test_a_seed_fixes_the_result():
    augment = Augmentation.parse({"gain_db": [-18, 0], "noise_prob": 0.5, "speed": [0.9, 1.1], "speed_prob": 0.5})
    np.random.seed(1)
    first = [augment(tone()) for _ in range(5)]
    np.random.seed(1)
    assert all(np.array_equal(x, augment(tone())) for x in first)
    assert len({x.tobytes() for x in first}) == 5
    assert all(x.dtype == np.float32 for x in first)


def test_gain_stays_in_its_range():
    augment = Augmentation.parse({"gain_db": [-18, -6]})
    levels = [20 * np.log10(augment(tone()).max() / 0.5) for _ in range(50)]
    assert -18.01 <= min(levels) < -16 and -8 < max(levels) <= -5.99


@pytest.mark.parametrize("snr_db", [0, 20, 60])
def test_noise_has_the_asked_ratio(snr_db):
    noise = add_white_noise(tone(80000), snr_db) - tone(80000)
    assert 10 * np.log10(np.mean(tone(80000) ** 2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.2)


def test_silence_stays_silent():
    assert not add_white_noise(np.zeros(100, np.float32), 20).any()


def test_a_faster_utterance_is_shorter_and_higher():
    fast = change_speed(tone(), 1.25)
    assert len(fast) == pytest.approx(6400, abs=2)
    assert np.argmax(np.abs(np.fft.rfft(fast))) / len(fast) * 8000 == pytest.approx(500, abs=3)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"nois_prob": 1}, "did you mean 'noise_prob'"),
        ({"gain_db": [0, -18]}, r"gain_db is \[0, -18\]: give a range"),
        ({"gain_db": 3}, "gain_db is 3: give a range"),
        ({"noise_prob": 2}, "noise_prob is 2"),
        ({"speed": [0, 1]}, "speeds are positive"),
    ],
)
def test_a_wrong_value_is_named(conf, message):
    with pytest.raises(ConfigError, match=message):
        Augmentation.parse(conf)
