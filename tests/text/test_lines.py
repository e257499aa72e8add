"""A line ends at a line feed, and nowhere else."""

from __future__ import annotations

import json

import pytest

from espnet_jst.data.checks import Problem, read_skipped, write_skipped
from espnet_jst.data.kaldi import read_table
from espnet_jst.evaluation.files import read_words
from espnet_jst.recipe.stages.decoding import join_outputs
from espnet_jst.text.align.pharaoh import read_pharaoh
from espnet_jst.text.lines import read_lines, split_lines
from espnet_jst.text.token_list import read_tokens

BREAKS = ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\r"]


@pytest.mark.parametrize("sign", BREAKS)
def test_what_others_call_a_line_break_stays_inside_the_line(sign, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(f"a 1{sign}2\nb 3\n".encode())
    assert read_lines(path) == [f"a 1{sign}2", "b 3"]
    assert read_table(path) == {"a": f"1{sign}2", "b": "3"}


def test_windows_line_ends_are_line_ends():
    assert split_lines("a\r\nb\r\n\r\nc") == ["a", "b", "", "c"]


def test_a_file_without_its_last_line_feed_has_its_last_line():
    assert split_lines("a\nb") == ["a", "b"]
    assert split_lines("") == []


@pytest.mark.parametrize("sign", BREAKS)
def test_records_of_a_line_each_survive(sign, tmp_path):
    word = {"text": f"a{sign}b", "lane": "translation", "start_s": 0, "end_s": 1, "emission_s": 1}
    line = json.dumps({"utt_id": "u1", "duration_s": 1.0, "words": [word]}, ensure_ascii=False)
    (tmp_path / "words.jsonl").write_bytes(f"{line}\n{line.replace('u1', 'u2')}\n".encode())
    assert [item.words[0].text for item in read_words(tmp_path / "words.jsonl").values()] == [f"a{sign}b"] * 2
    write_skipped(tmp_path, [Problem("u1", f"odd {sign} sign", "mend it")])
    assert [problem.reason for problem in read_skipped(tmp_path)] == [f"odd {sign} sign"]


def test_shards_are_joined_line_by_line(tmp_path):
    for number, content in enumerate(("b x\u2028y\n", "a z\x85\n")):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "text").write_bytes(content.encode())
    out = tmp_path / "out"
    out.mkdir()
    assert join_outputs([tmp_path / "0", tmp_path / "1"], out, ["a", "b"]) == 0
    assert (out / "text").read_bytes().decode() == "a z\x85\nb x\u2028y\n"


def test_token_lists_and_links_of_windows_are_read(tmp_path):
    (tmp_path / "tokens.txt").write_bytes(b"<blank>\r\n<unk>\r\na\r\n")
    (tmp_path / "alignment").write_bytes(b"u1 0-0\r\nu2 -\r\n")
    assert read_tokens(tmp_path / "tokens.txt") == ["<blank>", "<unk>", "a"]
    assert read_pharaoh(tmp_path / "alignment") == {"u1": {(0, 0)}, "u2": set()}
