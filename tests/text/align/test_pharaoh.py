from __future__ import annotations

import pytest

from espnet_jst.errors import DataError
from espnet_jst.text.align.pharaoh import format_pharaoh, parse_pharaoh, read_pharaoh, write_pharaoh
from espnet_jst.text.align.scores import aer, alignment_score


def test_links_are_written_in_order_and_read_back():
    links = {(1, 2), (0, 0), (0, 10)}
    assert format_pharaoh(links) == "0-0 0-10 1-2"
    assert parse_pharaoh("0-0 0-10 1-2") == links


def test_no_links_are_a_dash():
    assert format_pharaoh(set()) == "-"
    assert parse_pharaoh("-") == parse_pharaoh("") == set()


@pytest.mark.parametrize("text", ["0", "0-", "a-b", "0-1-2", "0:1", "-1-0"])
def test_a_malformed_pair_is_named(text):
    with pytest.raises(DataError, match="not a link"):
        parse_pharaoh(text)


def test_a_file_comes_back(tmp_path):
    alignments = {"utt2": {(0, 0), (1, 2)}, "utt1": set()}
    write_pharaoh(tmp_path / "alignment", alignments)
    assert (tmp_path / "alignment").read_text() == "utt2 0-0 1-2\nutt1 -\n"
    assert read_pharaoh(tmp_path / "alignment") == alignments


def test_a_malformed_line_is_named_with_its_utterance(tmp_path):
    path = tmp_path / "alignment"
    path.write_text("utt1 0-0\nutt2 0-x\n")
    with pytest.raises(DataError, match=r"line 2 \(utt2\)"):
        read_pharaoh(path)


def test_an_utterance_that_occurs_twice_is_refused(tmp_path):
    path = tmp_path / "alignment"
    path.write_text("utt1 0-0\nutt1 0-0\n")
    with pytest.raises(DataError, match="twice"):
        read_pharaoh(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="alignment"):
        read_pharaoh(tmp_path / "alignment")


def test_the_error_rate_counts_wrong_and_missing_links():
    score = alignment_score([{(0, 0), (1, 1)}], [{(0, 0), (2, 2), (3, 3)}])
    assert (score.precision, score.recall) == (0.5, pytest.approx(1 / 3))
    assert score.aer == pytest.approx(1 - 2 / 5)
    assert aer([set()], [set()]) == 0.0


def test_unequal_corpora_have_no_error_rate():
    with pytest.raises(DataError):
        aer([set()], [])
