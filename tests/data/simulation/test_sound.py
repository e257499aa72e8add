"""Noise and mixing, in rooms without walls: what is known by formulas."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.simulation.arrays import SPEED
from espnet_jst.data.simulation.noise import diffuse_noise, point_noise
from espnet_jst.data.simulation.plan import Plan, Turn
from espnet_jst.data.simulation.render import CEILING, FULL, render
from espnet_jst.data.simulation.rooms import LEAD, Responses
from espnet_jst.data.simulation.scenes import draw_scene
from tests.data.simulation.helpers import FS, small, speech, utterance


def test_diffuse_noise_has_the_coherence_of_sound_from_all_sides() -> None:
    distance = 0.16
    places = np.array([[0.0, 0, 0], [distance, 0, 0]])
    first, second = diffuse_noise(places, 40 * FS, FS, "white", np.random.default_rng(0)).reshape(2, -1, 256)
    one, two = np.fft.rfft(first * np.hanning(256)), np.fft.rfft(second * np.hanning(256))
    powers = (np.abs(one) ** 2).mean(0) * (np.abs(two) ** 2).mean(0)
    measured = (one * two.conj()).mean(0).real / np.sqrt(powers)
    expected = np.sinc(2 * np.arange(129) * FS / 256 * distance / SPEED)
    assert np.abs(measured - expected)[2:-1].max() < 0.12


def test_pink_noise_falls_by_three_decibels_an_octave() -> None:
    [noise] = point_noise(np.ones((1, 1)), 20 * FS, FS, "pink", np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    bands = [power[f * 20 : f * 40].mean() for f in (250, 500, 1000)]
    np.testing.assert_allclose(np.diff(10 * np.log10(bands)), -3.01, atol=0.3)


@pytest.mark.parametrize("noise", ["diffuse", "point"])
@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_the_ratio_of_speech_to_noise_is_as_asked(noise: str, snr_db: float) -> None:
    heard, speaking, clean = mixed(noise=noise, snr_db=(snr_db, snr_db))
    assert heard.measured_snr_db == pytest.approx(snr_db, abs=0.1)
    # The pauses at both ends hold nothing but noise.
    loud = 10 * np.log10(np.square(clean.samples[speaking, 0] / FULL).mean())
    rest = 10 * np.log10(np.square(heard.samples[~speaking, 0] / FULL).mean())
    level = clean.level_db - heard.level_db
    assert loud - level - rest == pytest.approx(snr_db, abs=1.5)


def test_a_loud_conversation_is_made_softer_and_never_clipped() -> None:
    heard, _, _ = mixed(level_db=-10.0, noise="none")
    softer, _, _ = mixed(level_db=-30.0, noise="none")
    assert np.abs(heard.samples).max() <= round(CEILING * FULL)
    assert heard.level_db < -10 - 0.1 or np.abs(heard.samples).max() < CEILING * FULL
    assert softer.level_db == pytest.approx(-30.0, abs=0.01)


def test_an_utterance_sounds_when_its_turn_starts_and_its_way_is_over() -> None:
    conf = small(noise="none", spread_db=0.0)
    scene = draw_scene(conf, 2, np.random.default_rng(0))
    click = np.zeros(FS)
    click[0] = 1
    said = utterance("u", "s", FS)
    turns = (Turn(0, said, 4000, 4000 + FS), Turn(1, said, 5000 + FS, 5000 + 2 * FS))
    heard = render(Plan(turns, 3 * FS, 0.0), scene, direct(7), conf, lambda _: click, FS, np.random.default_rng(0))
    assert np.abs(heard.samples[:, 0]).argmax() == 4000 + 7


def direct(delay: int) -> Responses:
    """Every source at every microphone, so many samples late."""
    rirs = np.zeros((3, 2, LEAD + 20), np.float32)
    rirs[:, :, LEAD + delay] = 1
    return Responses(rirs, np.ones((3, 2)), 0.5, 0)


def mixed(**others: object):
    """Two turns, with when somebody speaks, and the same without noise."""
    conf = small(spread_db=0.0, **others)
    scene = draw_scene(conf, 2, np.random.default_rng(0))
    said = {f"u{n}": speech(1.0, n) for n in range(2)}
    turns = tuple(Turn(n, utterance(f"u{n}", f"s{n}", FS), (2 + n) * FS, (3 + n) * FS) for n in range(2))
    speaking = np.zeros(8 * FS, dtype=bool)
    speaking[2 * FS : 4 * FS] = True

    def rendered(conf):
        plan, rng = Plan(turns, 8 * FS, 0.0), np.random.default_rng(1)
        return render(plan, scene, direct(0), conf, lambda utterance: said[utterance.item.utt_id], FS, rng)

    return rendered(conf), speaking, rendered(small(spread_db=0.0, **{**others, "noise": "none"}))
