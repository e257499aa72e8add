"""What training does to recordings, and the messages of a wrong configuration."""

import numpy as np
import pytest

from espnet_jst.data.augment import EQUALIZER_KNOTS, add_white_noise, augment, change_speed, equalize
from espnet_jst.data.conf import PreprocessorConf
from espnet_jst.errors import ConfigError
from espnet_jst.keys import read

FS = 8000


def sine(hz, seconds=1.003):
    return np.sin(2 * np.pi * hz * np.arange(int(seconds * FS)) / FS).astype(np.float32)


def level_db(speech):
    return 10 * np.log10(np.mean(np.square(speech, dtype=np.float64)))


def peak_hz(speech):
    return np.abs(np.fft.rfft(speech)).argmax() * FS / len(speech)


def test_a_faster_utterance_is_shorter_and_higher():
    fast = change_speed(sine(1000), 1.25)
    assert abs(len(fast) - len(sine(1000)) / 1.25) <= 1
    assert peak_hz(fast) == pytest.approx(1250, abs=5)


def test_a_flat_equalizer_is_a_gain():
    np.testing.assert_allclose(equalize(sine(700), np.full(EQUALIZER_KNOTS, 6.0)), sine(700) * 10**0.3, atol=1e-4)


def test_an_equalizer_changes_each_frequency_by_its_gain():
    gains = np.linspace(-12, 12, 5)  # -12 dB at 0 Hz, 0 dB at 2 kHz, 12 dB at 4 kHz
    for hz, expected in ((500, -9), (2000, 0), (3500, 9)):
        change = level_db(equalize(sine(hz), gains)) - level_db(sine(hz))
        assert change == pytest.approx(expected, abs=0.6)


def test_noise_has_the_level_that_was_asked_for():
    np.random.seed(0)
    noise = add_white_noise(sine(500), 20.0) - sine(500)
    assert level_db(sine(500)) - level_db(noise) == pytest.approx(20, abs=0.3)


def test_silence_stays_silent():
    assert not add_white_noise(np.zeros(100, np.float32), 10.0).any()


def test_the_same_seed_gives_the_same_samples():
    conf = PreprocessorConf(gain_db=(-6, 6), noise_prob=1.0, speed_prob=1.0, equalizer_prob=1.0, equalizer_db=(-3, 3))
    np.random.seed(3)
    first = augment(sine(300), conf)
    np.random.seed(3)
    np.testing.assert_array_equal(augment(sine(300), conf), first)
    assert first.dtype == np.float32 and not np.array_equal(augment(sine(300), conf)[:100], first[:100])


def test_nothing_is_changed_by_default():
    np.testing.assert_array_equal(augment(sine(300), PreprocessorConf()), sine(300))


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"gain": [0, 1]}, r"unknown key 'gain' \(did you mean 'gain_db'"),
        ({"gain_db": 3}, r"preprocessor_conf: gain_db is 3: give a list of 2 with a number in each place"),
        ({"equalizer_db": [3, -3]}, r"equalizer_db is \[3, -3\]: give a range such as \[-6, 6\]"),
        ({"speed": [0.0, 1.0]}, "speed is 0.0: give a number from 0.1 to 10"),
        ({"noise_prob": 2}, "noise_prob is 2: give a number from 0 to 1"),
    ],
)
def test_a_wrong_configuration_is_one_message(conf, message):
    with pytest.raises(ConfigError, match=message):
        read(PreprocessorConf, conf, "preprocessor_conf")
