"""Europarl-ST is read in its layout, one direction or many, whatever format its recordings have."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from espnet_jst.data.corpora.directions import Direction, Directions
from espnet_jst.data.corpora.europarl_st import LANGUAGES, read
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError
from tests.data.corpora.europarl import DIGITS, SEGMENTS, make_europarl

# Stands for ffmpeg: what the miniature calls .m4a is FLAC already; of a file that is called so it says that it is cut.
FFMPEG = """#!/bin/sh
while [ $# -gt 1 ]; do [ "$1" = -i ] && from=${2#file:}; shift; done
case $from in *jackson*) echo "moov atom not found" >&2; exit 1 ;; esac
echo "$from" >> "$(dirname "$0")/called"
cp "$from" "${1#file:}"
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return make_europarl(tmp_path / "v1.1")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is in the PATH beside the system's, without ffmpeg."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cp", "dirname"):
        (tools / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tools))
    return tools


def ffmpeg_into(folder: Path) -> None:
    (folder / "ffmpeg").write_text(FFMPEG)
    (folder / "ffmpeg").chmod(stat.S_IRWXU)


def prepare(corpus: Path, langs: str, data: Path, **options: int) -> None:
    directions = Directions.parse(langs, LANGUAGES)
    for name, readings in read(corpus, directions, converted=data / "audio", **options):
        write_set(data / name, readings, src=directions.language("src"), tgt=directions.language("tgt"))


def test_one_direction_has_three_sets_in_lower_case_without_punctuation(corpus: Path, tmp_path: Path) -> None:
    prepare(corpus, "en-de", tmp_path / "data")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["dev", "test", "train"]
    out = tmp_path / "data" / "train"
    assert len(read_table(out / "segments")) == 2 * SEGMENTS["train"]
    spoken, translated = read_table(out / "text.lc.rm.en"), read_table(out / "text.lc.rm.de")
    words = {word: other for word, other in zip(DIGITS["en"], DIGITS["de"], strict=True)}
    for key, text in spoken.items():
        assert translated[key] == " ".join(words[word] for word in text.split())
    assert set(read_table(out / "utt2spk").values()) == {"Anna_Maria_george_0", "Anna_Maria_jackson_1"}
    assert not (out / "utt2tgt_lang").exists()
    recording, start, end = read_table(out / "segments")[next(iter(spoken))].split()
    assert recording in read_table(out / "wav.scp") and 0 < float(start) < float(end)


def test_many_to_one_joins_the_sources_and_keeps_a_test_set_of_each(corpus: Path, tmp_path: Path) -> None:
    prepare(corpus, "de,fr-en", tmp_path / "data")
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"train", "dev", "test_de_en", "test_fr_en"}
    train = read_table(tmp_path / "data" / "train" / "text.lc.rm.mul")
    assert {key[:2] for key in train} == {"de", "fr"} and len(train) == 4 * SEGMENTS["train"]
    assert {key[:2] for key in read_table(tmp_path / "data" / "test_fr_en" / "text.lc.rm.en")} == {"fr"}


def test_many_to_many_has_an_utterance_a_direction_that_knows_its_target(corpus: Path, tmp_path: Path) -> None:
    prepare(corpus, "de,en,fr-de,en,fr", tmp_path / "data", dev=3)
    train = tmp_path / "data" / "train"
    languages = read_table(train / "utt2tgt_lang")
    assert len(languages) == 6 * 2 * SEGMENTS["train"]
    assert {key[:2] + key[-3:] for key in languages} == {"de_en", "de_fr", "en_de", "en_fr", "fr_de", "fr_en"}
    texts = read_table(train / "text.lc.rm.mul-x-tgt")
    assert all(set(texts[key].split()) <= set(DIGITS[code]) for key, code in languages.items())
    assert len(read_table(tmp_path / "data" / "dev" / "wav.scp")) == 3  # a recording a source
    assert len(languages := read_table(tmp_path / "data" / "dev" / "utt2tgt_lang")) == 6 * 3
    assert len([path for path in (tmp_path / "data").iterdir() if path.name.startswith("test_")]) == 6


def test_all_are_the_72_directions_of_the_corpus() -> None:
    directions = Directions.parse("all-all", LANGUAGES)
    assert len(directions) == 72 and len(set(directions.tests)) == 72
    assert {direction.src for direction in directions} == set(LANGUAGES)
    assert Directions.parse("en-de", LANGUAGES) == (Direction("en", "de"),)


@pytest.mark.parametrize(
    ("langs", "message"),
    [("en", "en-de, de,fr-en"), ("en-xx", "'xx' is not one of de, en"), ("de-de", "into itself"), ("", "en-de")],
)
def test_other_directions_are_refused(langs: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Directions.parse(langs, LANGUAGES)


def test_m4a_is_converted_once(tmp_path: Path, path: Path) -> None:
    corpus = make_europarl(tmp_path / "v1.1", suffix=".m4a")
    ffmpeg_into(path)
    prepare(corpus, "en-de", tmp_path / "data")
    files = read_table(tmp_path / "data" / "train" / "wav.scp")
    assert {Path(file).suffix for file in files.values()} == {".flac"}
    assert len((path / "called").read_text().splitlines()) == 3  # jackson's cannot be read
    prepare(corpus, "en-fr", tmp_path / "data")
    assert len((path / "called").read_text().splitlines()) == 3


def test_a_recording_that_ffmpeg_finds_damaged_is_left_out_and_named(tmp_path: Path, path: Path) -> None:
    corpus = make_europarl(tmp_path / "v1.1", suffix=".m4a")
    ffmpeg_into(path)
    prepare(corpus, "en-de", tmp_path / "data")
    train = tmp_path / "data" / "train"
    assert len(read_table(train / "segments")) == SEGMENTS["train"]
    said = (train / "skipped.jsonl").read_text()
    assert "cannot read all of it (moov atom not found)" in said and said.count("there is no recording") == 30


def test_without_ffmpeg_the_message_says_what_to_install(tmp_path: Path, path: Path) -> None:
    corpus = make_europarl(tmp_path / "v1.1", suffix=".m4a")
    with pytest.raises(ConfigError, match=r"4 of 4 recordings .* only ffmpeg reads .*\.m4a.*apt install ffmpeg"):
        prepare(corpus, "en-de", tmp_path / "data")
    assert os.listdir(tmp_path / "v1.1" / "en" / "audios") and not (tmp_path / "data").exists()


def test_a_file_that_was_converted_by_hand_is_taken(tmp_path: Path, path: Path) -> None:
    corpus = make_europarl(tmp_path / "v1.1", suffix=".m4a")
    for m4a in (corpus / "en" / "audios").iterdir():
        m4a.with_suffix(".flac").write_bytes(m4a.read_bytes())
    prepare(corpus, "en-de", tmp_path / "data")
    assert "audios" in next(iter(read_table(tmp_path / "data" / "test" / "wav.scp").values()))


def test_files_that_do_not_belong_together_are_refused(corpus: Path, tmp_path: Path) -> None:
    text = corpus / "en" / "de" / "dev" / "segments.de"
    text.write_text("\n".join(text.read_text("utf-8").splitlines()[1:]) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"dev/segments\.\*: files of 8, 8, 7 lines"):
        prepare(corpus, "en-de", tmp_path / "data")


def test_a_missing_file_is_named(corpus: Path, tmp_path: Path) -> None:
    (corpus / "en" / "de" / "test" / "segments.lst").unlink()
    with pytest.raises(ConfigError, match=r"en/de/test/segments.lst is missing"):
        prepare(corpus, "en-de", tmp_path / "data")


@pytest.mark.parametrize("times", ["0.1", "0.1 nan", "inf inf"])
def test_a_segment_without_times_is_left_out_and_counted(corpus: Path, tmp_path: Path, times: str) -> None:
    listed = corpus / "en" / "de" / "train" / "segments.lst"
    listed.write_text(f"en.20080924.3.1-george {times}\n" + listed.read_text().split("\n", 1)[1])
    prepare(corpus, "en-de", tmp_path / "data")
    assert len(read_table(tmp_path / "data" / "train" / "segments")) == 2 * SEGMENTS["train"] - 1
    assert "not speech, start and end" in (tmp_path / "data" / "train" / "skipped.jsonl").read_text()


def test_recordings_of_two_languages_with_one_name_are_refused(corpus: Path, tmp_path: Path) -> None:
    for src, tgt in (("de", "fr"), ("en", "fr")):
        listed = corpus / src / tgt / "test" / "segments.lst"
        listed.write_text(listed.read_text().replace(f"{src}.2008", "2008"))
        audio = next((corpus / src / "audios").glob("*nicolas*"))
        audio.rename(audio.with_name(audio.name[3:]))
    with pytest.raises(ConfigError, match="is a recording of de and of en"):
        prepare(corpus, "de,en-fr", tmp_path / "data")
