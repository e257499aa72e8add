"""One data directory of the user's becomes three sets, and a model is trained further on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.data.texts import Texts
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.recipe.own_corpus import split_corpus

SETS = ("train", "valid", "test")


def corpus(root: Path, count: int = 60, same: int = 3) -> Callable[[], str]:
    """`count` utterances, every `same` of them with one transcript; returns what splits them."""
    keys = [f"u{number:03d}" for number in range(count)]
    write_table(root / "mine" / "wav.scp", {key: f"/audio/{key}.wav" for key in keys})
    write_table(root / "mine" / "text.lc.en", {key: f"sentence {i // same}" for i, key in enumerate(keys)})
    write_table(root / "mine" / "text.lc.de", {key: f"Satz {i // same}" for i, key in enumerate(keys)})
    shares = {"test": 0.05, "valid": 0.05}
    texts = Texts("text.lc.en", "text.lc.de")
    return partial(split_corpus, root / "mine", root / "data", texts=texts, train="train", shares=shares)


def tables(root: Path, name: str) -> list[dict[str, str]]:
    return [read_table(root / "data" / part / name) for part in SETS]


def test_every_utterance_is_in_one_set_and_every_sentence_too(tmp_path: Path) -> None:
    corpus(tmp_path)()
    parts = tables(tmp_path, "wav.scp")
    assert sum(map(len, parts)) == len({key for part in parts for key in part}) == 60
    assert [len(part) for part in parts] == [54, 3, 3]
    sentences = [set(part.values()) for part in tables(tmp_path, "text.lc.en")]
    assert not (sentences[0] & sentences[1] or sentences[0] & sentences[2] or sentences[1] & sentences[2])


def test_the_test_set_keeps_its_sentences_when_utterances_are_added(tmp_path: Path) -> None:
    corpus(tmp_path, count=300, same=1)()
    before = set(tables(tmp_path, "wav.scp")[2])
    corpus(tmp_path, count=315, same=1)()
    after = set(tables(tmp_path, "wav.scp")[2])
    assert len(before & after) >= len(before) - 2


def test_segments_keep_their_recordings(tmp_path: Path) -> None:
    split = corpus(tmp_path, count=6, same=1)
    write_table(tmp_path / "mine" / "wav.scp", {"a": "a.wav", "b": "b.wav"})
    owner = {f"u{number:03d}": "ab"[number % 2] for number in range(6)}
    write_table(tmp_path / "mine" / "segments", {key: f"{name} 0.0 1.0" for key, name in owner.items()})
    split()
    for wav, segments in zip(tables(tmp_path, "wav.scp"), tables(tmp_path, "segments"), strict=True):
        assert set(wav) == {owner[key] for key in segments}


def test_channels_stay_with_their_recordings(tmp_path: Path) -> None:
    split = corpus(tmp_path, count=6, same=1)
    write_table(
        tmp_path / "mine" / "reco2file_and_channel", {f"u{number:03d}": f"c {'AB'[number % 2]}" for number in range(6)}
    )
    split()
    for wav, channels in zip(tables(tmp_path, "wav.scp"), tables(tmp_path, "reco2file_and_channel"), strict=True):
        assert set(wav) == set(channels)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    split = corpus(tmp_path, count=2, same=1)
    with pytest.raises(DataError, match="2 different transcripts"):
        split()
    (tmp_path / "mine" / "text.lc.de").unlink()
    with pytest.raises(ConfigError, match=r"no text\.lc\.de; text files are called"):
        split()
