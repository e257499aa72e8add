import math

import pytest

from espnet_jst.evaluation.report.charts import histogram, line_chart, ticks
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION
from tests.evaluation.report.experiment import Page


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 22.6, [0, 10, 20]), (0, 1, [0, 0.5, 1]), (-3, 3, [-2, 0, 2]), (0, 4e-4, [0, 1e-4, 2e-4, 3e-4, 4e-4])],
)
def test_ticks_are_round_numbers_within_the_range(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def points(page, **attributes):
    [found] = page.all("polyline", **attributes)
    return [tuple(map(float, pair.split(","))) for pair in found["points"].split()]


def test_a_curve_falls_where_its_values_do_and_leaves_out_what_is_not_finite():
    curves = {"train": [(1, 4.0), (2, math.nan), (3, 2.0)], "valid": [(1, 3.0), (2, 3.0), (3, 3.0)]}
    page = Page(line_chart("loss", curves))
    (x1, y1), (x2, y2) = points(page, **{"class": "curve train"})
    assert x1 < x2 and y1 < y2  # y grows downwards
    assert len({y for _, y in points(page, **{"class": "curve valid"})}) == 1


def test_one_epoch_or_no_value_is_drawn_too():
    assert Page(line_chart("loss", {"train": [(1, 2.0)]})).all("circle")
    assert Page(line_chart("loss", {"train": []})).text("title") == ["loss: no values"]


def test_the_shares_of_a_distribution_add_up_and_its_median_is_marked():
    page = Page(histogram("LAAL", {TRANSCRIPT: [0.5, 0.5, 0.5, 3.0], TRANSLATION: []}))
    [area] = page.all("polygon")
    outline = [tuple(map(float, pair.split(","))) for pair in area["points"].split()]
    base, heights = outline[0][1], [y for _, y in outline[1:-1:2]]
    assert sorted({round((base - y) / (base - min(heights)), 2) for y in heights}) == [0.0, 0.33, 1.0]
    assert page.text("title") == ["LAAL: transcript median 0.50 s, 90 % below 2.25 s"]
    assert len(page.all("line", **{"class": "median transcript"})) == 1
