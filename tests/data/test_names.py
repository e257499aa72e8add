from __future__ import annotations

import unicodedata

import pytest

from espnet_jst.data.names import file_name

IDS = [
    "spk_1", "spk/1", "spk\\1", "spk%2F1", "spk=1", "SPK_1", "Spk_1", "a", "A", "a.", "a..", ".a", "..", ".", "../a",
    "/a", "a/", "-a", "~", "é", unicodedata.normalize("NFD", "é"), "É", "ß", "ss", "a\0", "a\t", "a b", "con", "a:b",
    "x" * 300, "x" * 301, "x" * 80, "x" * 81, "é" * 200, "a|", file_name("spk/1"), file_name("A"), "\udcff", "日本",
]  # fmt: skip


def test_no_two_ids_share_a_name_on_any_file_system():
    names = [unicodedata.normalize("NFC", file_name(utt_id)).casefold() for utt_id in IDS]
    assert len(set(names)) == len(IDS)


@pytest.mark.parametrize("utt_id", IDS)
def test_a_name_is_short_and_of_one_part(utt_id, tmp_path):
    name = file_name(utt_id)
    assert name.isascii() and len(name) < 200 and "/" not in name
    (tmp_path / f"{name}.flac").write_bytes(b"")
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.flac"]


@pytest.mark.parametrize("utt_id", ["spk_1", "1-2.3", "talk.1_b"])
def test_ordinary_ids_are_their_own_names(utt_id):
    assert file_name(utt_id) == utt_id
