"""Ramps: piecewise linear, constant outside."""

import pytest

from espnet_jst.encoders.zipformer.schedule import Ramp, value_at

FALLING = Ramp((0, 0.5), (4000, 0.1), (16000, 0.0))


@pytest.mark.parametrize(
    "batches, value", [(-1, 0.5), (0, 0.5), (1000, 0.4), (4000, 0.1), (10000, 0.05), (16000, 0.0), (1e9, 0.0)]
)
def test_values_lie_on_the_lines_and_stay_outside(batches, value):
    assert FALLING.at(batches) == pytest.approx(value)


def test_a_factor_scales_values_not_batches():
    assert (FALLING * 2).at(1000) == pytest.approx(0.8) and FALLING.at(1000) == pytest.approx(0.4)


def test_one_point_is_a_constant_and_a_number_too():
    assert Ramp((7, 3.0)).at(0) == Ramp((7, 3.0)).at(9) == value_at(3.0, 0) == 3.0
    assert value_at(FALLING, 1000) == FALLING.at(1000)


@pytest.mark.parametrize("points", [(), ((1, 0.0), (1, 1.0)), ((2, 0.0), (1, 1.0))])
def test_batches_that_do_not_rise_are_refused(points):
    with pytest.raises(ValueError, match="rising"):
        Ramp(*points)
