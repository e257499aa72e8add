"""Beams: what they pass, what they keep out, and the noise of the microphones that they let in."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.simulation.arrays import ARRAYS, MOUTH
from espnet_jst.data.simulation.geometry import coherence
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.beams.conf import BeamBankConf
from espnet_jst.inputs.beams.design import (
    Beam,
    beams_of,
    design,
    directivity,
    frequencies,
    pattern,
    steering,
    white_noise_gain,
)
from tests.reference import beam_bank as reference

KINDS = ("mvdr", "lcmv")


def heard(conf: BeamBankConf, *beams: Beam) -> list[np.ndarray]:
    """What every beam of a bank makes of a source where each of `beams` looks, (K, F)."""
    weights, places, hertz = design(conf).conj(), np.array(conf.microphones), frequencies(conf)
    return [np.einsum("kfc,fc->kf", weights, steering(places, beam, hertz)) for beam in beams]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("array", ARRAYS)
def test_every_beam_passes_its_direction_as_the_first_microphone_hears_it(array: str, kind: str) -> None:
    conf = BeamBankConf(fs=8000, array=array, kind=kind)
    for number, response in enumerate(heard(conf, *beams_of(conf))):
        np.testing.assert_allclose(response[number], 1.0, atol=1e-9)


def test_a_null_is_on_the_mouth_in_all_beams_but_its_own() -> None:
    [response] = map(np.abs, heard(BeamBankConf(kind="lcmv"), Beam(None)))
    assert response[:12].max() < 1e-9 and response[12].min() > 1 - 1e-9
    [response] = map(np.abs, heard(BeamBankConf(kind="mvdr"), Beam(None)))
    assert response[:12].max() > 0.5


def test_white_noise_of_the_microphones_is_not_amplified() -> None:
    weights = design(BeamBankConf())
    assert white_noise_gain(weights).min() > 1 - 1e-6
    assert white_noise_gain(design(BeamBankConf(white_noise_gain_db=3.0))).min() > 10**0.3 - 1e-6
    # With a null there is less to choose from: no loading brings all of it back.
    assert 0.3 < white_noise_gain(design(BeamBankConf(kind="lcmv"))).min() < 1


def test_beams_hear_less_of_a_diffuse_field_than_a_microphone_and_than_the_sum_in_phase() -> None:
    conf = BeamBankConf()
    hertz, places = frequencies(conf), np.array(conf.microphones)
    field = coherence(places / 1000, hertz)
    speech = (hertz >= 300) & (hertz <= 4000)
    for beam, weights in zip(beams_of(conf), design(conf), strict=True):
        look = steering(places, beam, hertz)
        in_phase = directivity(look / (np.abs(look) ** 2).sum(1, keepdims=True), field)
        gains_db = 10 * np.log10(directivity(weights, field)[speech])
        assert gains_db.min() > 3 and gains_db.mean() > 5.5
        assert (directivity(weights, field)[speech] >= in_phase[speech] - 1e-9).all()


@pytest.mark.parametrize("number", [0, 5, 12])
@pytest.mark.parametrize("bin_", [0, 3, 40, 128])
def test_the_weights_are_those_of_the_formula(number: int, bin_: int) -> None:
    conf = BeamBankConf(fs=8000, loading=0.02, white_noise_gain_db=-100.0)
    beam, hertz = beams_of(conf)[number], frequencies(conf)[bin_]
    look = reference.steered(conf.microphones, beam.azimuth_deg, MOUTH, hertz)
    expected = reference.mvdr(look, conf.microphones, hertz, 0.02)
    np.testing.assert_allclose(design(conf)[number, bin_], expected, atol=1e-9)


def test_azimuths_run_from_forward_to_the_left() -> None:
    beams = beams_of(BeamBankConf())
    assert [beam.azimuth_deg for beam in beams] == [*range(0, 360, 30), None]
    # A source at the left is heard first by the microphone at the left, which is channel 0.
    delay = np.angle(steering(np.array(ARRAYS["easycom5"]), Beam(90.0), np.array([100.0])))[0]
    assert (delay[2:4] < 0).all() and delay[0] == 0


def test_a_beam_is_the_loudest_of_all_where_it_looks() -> None:
    conf = BeamBankConf(mouth=False)
    hertz = np.array([500.0, 1000.0, 2000.0])
    weights = design(conf)[:, [16, 32, 64]]
    found = pattern(weights, np.array(conf.microphones), hertz, np.arange(0, 360, 30.0)).mean(1)
    assert found.shape == (12, 12) and (np.abs(found.argmax(1) - np.arange(12)) % 11 <= 1).all()
    np.testing.assert_allclose(np.diag(found), 1.0, atol=0.05)


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"azimuths": 6}, ["0°", "60°", "120°", "180°", "240°", "300°", "mouth"]),
        ({"azimuths": 4}, ["0°", "90°", "180°", "270°", "mouth"]),
        ({"azimuths": 0}, ["mouth"]),
        ({"azimuths": 4, "mouth": False}, ["0°", "90°", "180°", "270°"]),
        ({"azimuths": 4, "beams": [4, 0, 1]}, ["mouth", "0°", "90°"]),
        ({"azimuths": 4, "order": "reversed"}, ["mouth", "270°", "180°", "90°", "0°"]),
        ({"azimuths": 4, "order": "rotated"}, ["180°", "270°", "mouth", "0°", "90°"]),
        ({"beams": [12, 0, 3], "order": "reversed"}, ["90°", "0°", "mouth"]),
    ],
)
def test_beams_can_be_chosen_and_put_in_another_order(keys: dict, names: list[str]) -> None:
    conf, every = BeamBankConf(fs=8000, **keys), BeamBankConf(fs=8000, azimuths=12)
    beams = beams_of(conf)
    assert [beam.name for beam in beams] == names
    np.testing.assert_array_equal(design(conf), design(every)[[beams_of(every).index(beam) for beam in beams]])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"azimuths": 0, "mouth": False}, "there is no beam"),
        ({"beams": [13]}, "there is no beam 13: azimuths and mouth make those from 0 to 12"),
        ({"beams": [1, 1]}, r"beams is \[1, 1\]: name each once"),
        ({"order": "reverse"}, "order.*reversed"),
        ({"array": "custom"}, "microphones_mm goes with array: custom"),
        ({"microphones_mm": [[0, 0, 0]]}, "microphones_mm goes with array: custom"),
        ({"array": "custom", "microphones_mm": [[0, 0]]}, "places of three numbers"),
        ({"array": "custom", "microphones_mm": [[0, 0, 0]]}, "one microphone has no beams: give two or more"),
        ({"merge_kernel": 4}, "merge_kernel is 4: give an odd number"),
        ({"fs": 192_000, "window_s": 0.1}, "beams have windows of at most 0.0213 s"),
    ],
)
def test_what_is_no_bank_is_refused(keys: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BeamBankConf(**keys)


def test_two_microphones_at_one_place_have_no_null() -> None:
    places = [[0, 0, 0], [0, 0, 0]]
    with pytest.raises(ConfigError, match="no lcmv beams can be made: put the microphones apart"):
        design(BeamBankConf(array="custom", microphones_mm=places, kind="lcmv"))
    assert np.allclose(design(BeamBankConf(array="custom", microphones_mm=places, azimuths=1)).sum(2)[0], 1.0)
