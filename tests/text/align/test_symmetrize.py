from __future__ import annotations

from espnet_jst.text.align.symmetrize import SYMMETRIZATIONS, grow_diag_final_and

FORWARD = {(0, 0), (1, 1), (1, 2), (4, 4)}
REVERSE = {(0, 0), (1, 1), (2, 1), (3, 5)}


def test_neighbours_of_the_intersection_are_taken_from_the_union():
    assert {(0, 0), (1, 1), (1, 2), (2, 1)} <= grow_diag_final_and(FORWARD, REVERSE)


def test_links_between_two_free_words_are_added_at_the_end():
    assert {(4, 4), (3, 5)} <= grow_diag_final_and(FORWARD, REVERSE)


def test_a_distant_link_of_a_word_that_has_one_is_left_out():
    assert grow_diag_final_and({(0, 0), (0, 3)}, {(0, 0)}) == {(0, 0)}


def test_growing_goes_on_from_what_has_grown():
    chain = {(0, 0), (0, 1), (0, 2), (0, 3)}
    assert grow_diag_final_and(chain, {(0, 0)}) == chain


def test_the_other_ways_are_what_they_are_called():
    assert SYMMETRIZATIONS["intersect"](FORWARD, REVERSE) == {(0, 0), (1, 1)}
    assert SYMMETRIZATIONS["forward"](FORWARD, REVERSE) == FORWARD
    assert SYMMETRIZATIONS["reverse"](FORWARD, REVERSE) == REVERSE
