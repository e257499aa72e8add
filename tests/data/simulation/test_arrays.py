from __future__ import annotations

import numpy as np
import pytest

from espnet_jst.data.simulation.arrays import ARRAYS, GLASSES, MOUTH
from espnet_jst.data.simulation.conf import SimulationConf
from espnet_jst.data.simulation.geometry import in_room
from espnet_jst.errors import ConfigError
from espnet_jst.keys import read


def test_forward_left_and_up_of_a_head_are_where_it_looks() -> None:
    head = np.array([2.0, 3.0, 1.5])
    places = in_room([(0, 0, 1000), (1000, 0, 0), (0, 1000, 0)], head, np.pi / 2) - head
    np.testing.assert_allclose(places, [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_the_glasses_run_clockwise_from_above_and_the_mouth_is_near_them() -> None:
    places = in_room(GLASSES, np.zeros(3), 0.0)
    angles = np.unwrap(np.arctan2(places[:, 1], places[:, 0] + 0.03))
    assert (np.diff(angles) < 0).all()
    near = np.linalg.norm(np.array(ARRAYS["easycom6"]) - MOUTH, axis=1)
    assert (near > 50).all() and (near < 200).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"overlap": [0.0, 0.8]}, "overlap is 0.8: give a number from 0 to 0.5"),
        ({"overlap": [0.4, 0.2]}, "overlap is .* smaller number first"),
        ({"overlpa": [0, 0]}, "unknown key 'overlpa' .did you mean 'overlap'"),
        ({"speakers": [2, 5]}, "speakers is 5: give a number from 2 to 4"),
        ({"speakers": [4, 4], "turns": [3, 8]}, "4 talkers have a turn each"),
        ({"array": "custom"}, "microphones_mm goes with array: custom"),
        ({"array": "custom", "microphones_mm": [[0, 0, 0]] * 9}, "at most 8 places"),
        ({"array": "easycom"}, "easycom4"),
    ],
)
def test_a_configuration_that_cannot_be_is_one_message(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(SimulationConf, values, "conf.yaml")
