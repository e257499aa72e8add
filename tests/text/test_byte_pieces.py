"""A byte-level BPE trimmed to a text: its pieces, how it cuts, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer as Pieces

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.byte_pieces import BytePieces, trim_byte_pieces
from espnet_jst.text.tokenizer import Tokenizer
from tests.hub.whisper.small_whisper import TEXT, make_tokenizer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    make_tokenizer(tmp_path / "tokenizer.json")
    return tmp_path / "tokenizer.json"


def test_every_word_is_cut_as_by_the_whole_model(file: Path, tmp_path: Path) -> None:
    trim_byte_pieces(file, [line.split() for line in TEXT], tmp_path / "list")
    trimmed, whole = Tokenizer.load(tmp_path / "list"), Pieces.from_file(str(file))
    for word in {word for line in TEXT for word in line.split()}:
        ours = [trimmed.tokens[index].replace("▁", " ") for index in trimmed.encode([word])]
        cut = whole.encode(f" {word}")
        if all("�" not in whole.decode([index]) for index in cut.ids):  # no part of a character
            assert ours == [whole.decode([index]) for index in cut.ids]
        assert "".join(ours) == f" {word}" and trimmed.unk_id not in trimmed.encode([word])


def test_other_words_are_written_with_what_is_there_and_tags_are_one_piece(file: Path, tmp_path: Path) -> None:
    trim_byte_pieces(file, [["<st>", "the", "small", "house"]], tmp_path / "list", tags=["<st>"])
    trimmed = Tokenizer.load(tmp_path / "list")
    assert trimmed.decode(trimmed.encode(["<st>", "mouse", "seal"])) == ["<st>", "mouse", "seal"]
    assert trimmed.encode(["<st>"]) == [trimmed.tokens.index("<st>")] and trimmed.unk_id in trimmed.encode(["río"])
    assert not {"▁large", "▁three"} & {*trimmed.tokens} and "▁the" in trimmed.tokens


def test_fewer_pieces_are_those_that_are_merged_first_and_write_every_word(file: Path, tmp_path: Path) -> None:
    lines = [line.split() for line in TEXT]
    lists = {}
    for most in (None, 10, 0, 10_000):
        trim_byte_pieces(file, lines, tmp_path / f"{most}", most=most)
        lists[most] = Tokenizer.load(tmp_path / f"{most}")
    assert lists[None].tokens == lists[10_000].tokens
    assert len(lists[10].tokens) == len(lists[0].tokens) + 10 < len(lists[None].tokens)
    assert {*lists[10].tokens} < {*lists[None].tokens}
    for line in lines:
        for fewer in (10, 0):
            ids = lists[fewer].encode(line)
            assert lists[fewer].decode(ids) == line and lists[fewer].unk_id not in ids
        assert len(lists[None].encode(line)) <= len(lists[10].encode(line)) <= len(lists[0].encode(line))


def test_the_same_text_gives_the_same_files_and_no_text_is_refused(file: Path, tmp_path: Path) -> None:
    lines = [line.split() for line in TEXT]
    for name, given in (("a", lines), ("b", lines[::-1])):
        trim_byte_pieces(file, given, tmp_path / name)
    for name in ("tokens.txt", "bpe.model"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with pytest.raises(DataError, match="no text to trim a token list to"):
        trim_byte_pieces(file, [], tmp_path / "c")


def test_another_tokenizer_and_an_unknown_symbol_are_named(file: Path) -> None:
    assert BytePieces(file).special("<|es|>") > 300
    with pytest.raises(ConfigError, match=r"has no <\|pl\|>"):
        BytePieces(file).special("<|pl|>")
    file.write_text('{"model": {"type": "Unigram"}}')
    with pytest.raises(ConfigError, match="is no tokenizer.json of a byte-level BPE such as Whisper's"):
        BytePieces(file)
