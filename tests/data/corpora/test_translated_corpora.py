"""Readers of MuST-C, CoVoST 2 and Killkan on miniatures of their layouts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from espnet_jst.data.checks import read_skipped
from espnet_jst.data.corpora import covost2, killkan, must_c
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError
from tests.data.corpora.translated import make_covost2, make_killkan, make_must_c, pack_killkan


@pytest.mark.parametrize("given", ["corpus", "direction"])
def test_talks_of_must_c_become_segments(tmp_path: Path, given: str) -> None:
    corpus = make_must_c(tmp_path / "MUSTC_v2.0")
    reading = must_c.read_set(corpus if given == "corpus" else corpus / "en-de", "de", "train")
    write_set(tmp_path / "train", [reading], src="en", tgt="de", cases=must_c.CASES)
    english, german = (read_table(tmp_path / "train" / name) for name in ("text.lc.rm.en", "text.tc.de"))
    segments = read_table(tmp_path / "train" / "segments")
    assert len(english) == 11 and english.keys() == german.keys() == segments.keys()
    key = min(english)
    assert key.startswith("ted_train_1_") and segments[key].startswith("ted_train_1 ")
    assert english[key].islower() and german[key][0].isupper() and german[key].endswith(".")
    [problem] = read_skipped(tmp_path / "train")
    assert problem.utt_id == "train_1" and "train.yaml:1: not wav, offset, duration" in problem.reason
    assert len(must_c.read_set(corpus, "de", "tst-HE").turns) == 6


def test_what_is_no_must_c_is_one_message(tmp_path: Path) -> None:
    corpus = make_must_c(tmp_path / "corpus")
    with pytest.raises(ConfigError, match="neither en-fr/data nor a folder data of en-fr"):
        must_c.read_set(corpus, "fr", "train")
    with pytest.raises(ConfigError, match="'xx' is not one of"):
        must_c.read_set(corpus, "xx", "train")
    (corpus / "en-de/data/dev/txt/dev.en").write_text("one\n")
    with pytest.raises(ConfigError, match="files of 6, 1 and 6 lines belong together"):
        must_c.read_set(corpus, "de", "dev")


def test_clips_of_common_voice_become_utterances(tmp_path: Path) -> None:
    voices, tables = make_covost2(tmp_path)
    reading = covost2.read_set(voices, tables, "en", "de", "train")
    write_set(tmp_path / "train", [reading], src="en", tgt="de", cases=covost2.CASES)
    english, german = (read_table(tmp_path / "train" / name) for name in ("text.lc.rm.en", "text.tc.de"))
    assert len(english) == 5 and english.keys() == german.keys() == read_table(tmp_path / "train" / "wav.scp").keys()
    assert read_table(tmp_path / "train" / "utt2spk")["common_voice_en_train0"] == ("george" * 9)[:16]
    [problem] = read_skipped(tmp_path / "train")
    assert problem.utt_id == "common_voice_en_train1" and "there is no recording" in problem.reason


def test_utterances_of_several_directions_say_their_languages(tmp_path: Path) -> None:
    for src in ("de", "es"):
        voices, tables = make_covost2(tmp_path, src=src, tgt="en")
    several = covost2.parse_directions("de,es-en")
    readings = covost2.read_directions(voices, tables, several, "dev")
    write_set(tmp_path / "dev", readings, src=several.language("src"), tgt="en", cases=covost2.CASES)
    assert set(read_table(tmp_path / "dev" / "utt2lang").values()) == {"de", "es"}
    assert not (tmp_path / "dev" / "utt2tgt_lang").exists()
    spoken = read_table(tmp_path / "dev" / "text.lc.rm.mul")
    assert spoken.keys() == read_table(tmp_path / "dev" / "utt2lang").keys() and len(spoken) == 12


def test_a_clip_is_as_many_utterances_as_it_has_targets(tmp_path: Path) -> None:
    for tgt in ("ar", "zh-CN"):
        voices, tables = make_covost2(tmp_path, tgt=tgt)
    several = covost2.parse_directions("en-ar,zh-CN")
    readings = covost2.read_directions(voices, tables, several, "dev")
    write_set(tmp_path / "dev", readings, src="en", tgt=several.language("tgt"), cases=covost2.CASES)
    languages = read_table(tmp_path / "dev" / "utt2tgt_lang")
    assert languages["common_voice_en_dev0_ar"] == "ar" and languages["common_voice_en_dev0_zh-CN"] == "zh-CN"
    assert not (tmp_path / "dev" / "utt2lang").exists() and len(languages) == 12
    assert several.tests == ["test_en_ar", "test_en_zh-CN"]


def test_all_directions_are_those_that_the_corpus_has() -> None:
    assert len(covost2.parse_directions("all-en")) == 21 and len(covost2.parse_directions("en-all")) == 15
    assert [*covost2.parse_directions("sv-SE-en")] == [("sv-SE", "en")]
    for langs, message in (("de-fr", "translates from English or into it"), ("en-fr", "'fr' is not one of")):
        with pytest.raises(ConfigError, match=message):
            covost2.parse_directions(langs)


@pytest.mark.parametrize(
    ("src", "tgt", "message"),
    [
        ("en", "fr", "'fr' is not one of"),
        ("xx", "en", "'xx' is not one of"),
        ("de", "fr", "de to fr: CoVoST 2 translates from English or into it"),
        ("fr", "en", "covost_v2.fr_en.train.tsv is missing"),
    ],
)
def test_a_direction_that_is_not_there_is_one_message(tmp_path: Path, src: str, tgt: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        covost2.read_set(*make_covost2(tmp_path), src, tgt, "train")


def test_a_table_of_something_else_is_one_message(tmp_path: Path) -> None:
    voices, tables = make_covost2(tmp_path)
    (tables / "covost_v2.en_de.dev.tsv").write_text("path\tsentence\n")
    with pytest.raises(ConfigError, match="has no column translation"):
        covost2.read_set(voices, tables, "en", "de", "dev")


@pytest.mark.parametrize("packed", [False, True])
def test_sentences_of_killkan_have_both_texts_or_one(tmp_path: Path, packed: bool) -> None:
    corpus = make_killkan(tmp_path / "killkan")
    if packed:
        corpus = pack_killkan(corpus, tmp_path / "packed")
    sets = killkan.read(corpus, tmp_path / "converted")
    assert {name: (len(both.turns), len(alone.turns)) for name, (both, alone) in sets.items()} == {
        "train": (8, 4),
        "dev": (4, 2),
        "test": (4, 2),
    }  # chapter 19 stays away
    both, alone = sets["train"]
    said = replace(sets["test"][0].turns[0], transcript=both.turns[0].transcript)
    test = replace(sets["test"][0], turns=[said, replace(sets["test"][0].turns[1], transcript="shuk mushuk shimi")])
    assert killkan.unseen(test, both).turns == test.turns[1:]
    write_set(tmp_path / "train", [both], src="qvi", tgt="es")
    write_set(tmp_path / "train_asr", [alone], src="qvi", tgt=None)
    kichwa, spanish = (read_table(tmp_path / "train" / f"text.lc.rm.{code}") for code in ("qvi", "es"))
    assert set(kichwa) == {f"c{chapter:02}_{n:03}" for chapter in (1, 2) for n in (1, 2, 4, 5)}
    assert len(kichwa["c01_002"].split()) == 2 == len(spanish["c01_002"].split()) and kichwa["c01_002"].islower()
    assert not list((tmp_path / "train_asr").glob("text.*.es")) and len(read_table(tmp_path / "train_asr/wav.scp")) == 4


def test_what_is_no_killkan_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="it is no Killkan"):
        killkan.read(tmp_path, tmp_path / "converted")
    corpus = make_killkan(tmp_path / "killkan")
    eaf = corpus / "data" / "Chapter1" / "Chapter1.eaf"
    eaf.write_text(eaf.read_text().replace('TIER_ID="default"', 'TIER_ID="other"'))
    with pytest.raises(ConfigError, match="no file of ELAN with the tier 'default'"):
        killkan.read(corpus, tmp_path / "converted")
    eaf.write_text('<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')
    with pytest.raises(ConfigError, match="no file of ELAN as Killkan has them"):
        killkan.read(corpus, tmp_path / "converted")


def test_clips_that_need_ffmpeg_say_so_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = make_killkan(tmp_path / "killkan")
    for clip in corpus.rglob("*.wav"):
        shutil.move(clip, clip.with_suffix(".mp4"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="only ffmpeg reads .*install it"):
        killkan.read(corpus, tmp_path / "converted")
