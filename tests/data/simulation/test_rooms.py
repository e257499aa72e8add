from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.simulation.rooms import LEAD, Responses, cached, delays_s, measure_rt60, respond
from espnet_jst.data.simulation.scenes import Scene, draw_scene
from espnet_jst.errors import DataError
from tests.data.simulation.helpers import FS, small

pytest.importorskip("pyroomacoustics")


@pytest.fixture(scope="module")
def scene() -> Scene:
    conf = small(array="easycom4", microphones_mm=(), rt60_s=(0.14, 0.14))
    return draw_scene(conf, 3, np.random.default_rng(1))


@pytest.fixture(scope="module")
def responses(scene: Scene) -> Responses:
    return respond(scene, FS, max_order=14)


def test_the_direct_sound_comes_after_the_distance_over_the_speed_of_sound(scene: Scene, responses: Responses) -> None:
    expected = delays_s(scene) * FS
    for source, row in enumerate(responses.rirs):
        for channel, response in enumerate(row):
            delay = expected[source, channel]
            first = response[: LEAD + int(delay) + 4]  # before any reflection
            assert abs(int(np.abs(first).argmax()) - LEAD - delay) < 1


def test_the_reverberation_time_is_as_asked(scene: Scene, responses: Responses) -> None:
    others = responses.rt60_s[1:3]
    assert others.mean() == pytest.approx(scene.rt60_s, rel=0.1)
    assert np.abs(others / scene.rt60_s - 1).max() < 0.25


def test_the_reverberation_time_of_an_exponential_decay_is_found() -> None:
    found = []
    for seed in range(10):
        response = np.random.default_rng(seed).standard_normal(FS) * 10 ** (-3 * np.arange(FS) / FS / 0.4)
        response[0] = 10.0
        found.append(measure_rt60(response, FS))
    assert np.mean(found) == pytest.approx(0.4, rel=0.02)


def test_the_wearer_is_louder_at_the_glasses_than_anybody_else(responses: Responses) -> None:
    own, *others = 10 * np.log10(np.square(responses.rirs[:3]).sum(axis=2))
    assert all((own > other + 10).all() for other in others)


def test_a_kept_room_is_the_same_room(tmp_path, scene: Scene) -> None:
    made, kept = cached(tmp_path, scene, FS, 2), cached(tmp_path, scene, FS, 2)
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(made.rirs, kept.rirs)
    assert (made.absorption, made.order) == (kept.absorption, kept.order)


def test_everybody_is_in_the_room_at_the_distance_asked() -> None:
    conf = small(array="easycom6", microphones_mm=())
    for seed in range(20):
        scene = draw_scene(conf, 4, np.random.default_rng(seed))
        away = np.linalg.norm(scene.talkers[1:] - scene.head, axis=1)
        assert (away >= 0.6 - 1e-9).all() and (away <= 1.0 + 1e-9).all()
        assert (scene.talkers[1:] >= conf.wall_m).all() and (scene.talkers[1:] <= scene.size - conf.wall_m).all()
        assert np.linalg.norm(scene.talkers[0] - scene.head) < 0.1


@pytest.mark.parametrize(
    "others",
    [
        {"distance_m": (4.0, 5.0)},
        {"length_m": (30.0, 31.0), "width_m": (30.0, 31.0), "height_m": (10.0, 10.0), "rt60_s": (0.1, 0.1)},
    ],
)
def test_a_room_that_cannot_be_is_one_message(others: dict) -> None:
    with pytest.raises(DataError, match="no place in 500 rooms of length_m .* enlarge the rooms or lower"):
        draw_scene(small(**others), 2, np.random.default_rng(0))
