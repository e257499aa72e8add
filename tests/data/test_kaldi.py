from __future__ import annotations

import pytest

from espnet_jst.data import kaldi
from espnet_jst.errors import DataError


def test_a_table_is_read_back_as_written_and_sorted_by_bytes(tmp_path):
    table = {"b": "zwei Wörter", "a-2": "x", "a": "", "Z": "1"}
    kaldi.write_table(tmp_path / "text", table)
    assert kaldi.read_table(tmp_path / "text") == table
    assert [line.split()[0] for line in (tmp_path / "text").read_text("utf-8").splitlines()] == ["Z", "a", "a-2", "b"]


def test_a_repeated_key_is_an_error_that_names_the_line(tmp_path):
    (tmp_path / "text").write_text("a one\nb two\na three\n")
    with pytest.raises(DataError, match=r"^a: .*text:3: the key occurs twice"):
        kaldi.read_table(tmp_path / "text")


def test_text_that_is_not_utf8_is_an_error_that_says_how_to_convert_it(tmp_path):
    (tmp_path / "text").write_bytes("a gut\nb f\u00fcnf\n".encode("latin1"))
    with pytest.raises(DataError, match=r"^b: .*text:2: not valid UTF-8.*iconv"):
        kaldi.read_table(tmp_path / "text")


def test_bad_lines_are_handed_over_and_the_good_ones_go_on(tmp_path):
    (tmp_path / "text").write_bytes(b"a one\nb \xff\nc three\na four\n")
    bad = []
    assert kaldi.read_table(tmp_path / "text", on_bad=lambda *line: bad.append(line)) == {"a": "one", "c": "three"}
    assert [(key, kind) for key, _, _, kind in bad] == [("b", "not-utf8"), ("a", "key-twice")]


def test_the_mark_that_windows_editors_put_first_is_not_part_of_a_key(tmp_path):
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfa one\r\nb two\r\n")
    assert kaldi.read_table(tmp_path / "text") == {"a": "one", "b": "two"}


def test_bad_segments_are_handed_over_and_the_good_ones_go_on(tmp_path):
    (tmp_path / "segments").write_text(
        "a rec 0 1\nb rec 2 1\nc rec x 1\nd rec 1 -1\ne rec nan 2\nf rec 1\ng rec -1 1\n"
    )
    bad = []
    segments = kaldi.read_segments(tmp_path / "segments", on_bad=lambda *line: bad.append(line))
    assert list(segments) == ["a", "d"]
    assert [(key, kind) for key, _, _, kind in bad] == [(key, "segment-invalid") for key in "bcefg"]


def test_channels_are_letters_or_numbers_and_others_are_handed_over(tmp_path):
    (tmp_path / "c").write_text("a call A\nb call B\nc call 1\nd call 2\ne call x\nf\ng call 0\n")
    bad = []
    found = kaldi.read_channels(tmp_path / "c", on_bad=lambda key, reason, fix, kind: bad.append((key, kind)))
    assert found == {"a": 0, "b": 1, "c": 0, "d": 1}
    assert bad == [(key, "segment-channel") for key in "efg"]


def test_keys_that_differ_between_files_are_listed():
    with pytest.raises(DataError) as error:
        kaldi.check_same_keys(
            {"wav.scp": ["a", "b", "c"], "text": ["a"], "utt2spk": ["a", "b", "c", "d"]}, where="data/x"
        )
    message = str(error.value)
    assert message.startswith("data/x:")
    assert "text lacks 3 of 4 (b c d)" in message
    assert "wav.scp lacks 1 of 4 (d)" in message
    assert "utt2spk lacks" not in message


def test_a_data_directory_gets_spk2utt(tmp_path):
    kaldi.write_data_dir(
        tmp_path, {"text": {"u2": "b", "u1": "a", "v1": "c"}, "utt2spk": {"u1": "u", "u2": "u", "v1": "v"}}
    )
    assert kaldi.read_table(tmp_path / "spk2utt") == {"u": "u1 u2", "v": "v1"}


def test_a_file_in_utf16_is_one_message(tmp_path):
    (tmp_path / "text").write_text("u1 one\nu2 two\n", encoding="utf-16")
    with pytest.raises(DataError, match="UTF-16.*iconv"):
        kaldi.read_table(tmp_path / "text", on_bad=lambda *bad: None)
