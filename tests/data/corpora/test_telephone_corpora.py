"""Miniatures of the telephone corpora become data directories: what is good is kept, what is broken is listed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.data.checks import read_skipped
from espnet_jst.data.corpora import fisher_callhome, hkust, iwslt22_dialect
from espnet_jst.data.corpora.turns import Reading, Turn, write_set
from espnet_jst.data.corpora.wording import tunisian_folded
from espnet_jst.data.kaldi import read_table
from espnet_jst.data.texts import Texts
from espnet_jst.data.utterances import read_set
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.recipe.stages.formatting import format_set
from tests.data.corpora import miniature


def written(root: Path, sets: dict[str, Reading], source: str) -> Path:
    for name, reading in sets.items():
        write_set(root / "data" / name, [reading], src=source, tgt="en")
    return root / "data"


def kinds(folder: Path) -> Counter[str]:
    return Counter(problem.kind for problem in read_skipped(folder))


def texts(folder: Path, language: str) -> dict[str, str]:
    return read_table(folder / f"text.lc.rm.{language}")


def test_tunisian_turns_are_matched_by_time_and_the_task_s_list_is_left_out(tmp_path: Path) -> None:
    corpus = miniature.iwslt22(tmp_path)
    data = written(tmp_path, dict(iwslt22_dialect.read(*corpus)), "aeb")
    arabic, english = texts(data / "train", "aeb"), texts(data / "train", "en")
    assert len(arabic) == miniature.COUNTS["train"]
    key = "spk2_A_20170606_000110_13802_A_0000000-0001600"
    assert set(arabic[key].split()) <= set(miniature.TUNISIAN)  # neither UM/ nor the question mark
    words = {theirs: ours for theirs, ours in zip(miniature.TUNISIAN, miniature.ENGLISH)}
    assert all(english[key] == " ".join(words[word] for word in arabic[key].split()) for key in arabic)
    assert kinds(data / "train") == {
        "text-missing": 2,  # a file without translations, a line without one
        "segment-invalid": 1,
        "segment-outside": 1,
        "text-empty": 2,
        "audio-missing": 1,
        "line-invalid": 2,
    }
    assert not any("0000500" in problem.utt_id for problem in read_skipped(data / "train"))  # excluded, not broken
    assert len(texts(data / "dev", "en")) == 6 and kinds(data / "test1") == {}


def test_tunisian_letters_are_folded_on_request(tmp_path: Path) -> None:
    sets = dict(iwslt22_dialect.read(*miniature.iwslt22(tmp_path), normalize=tunisian_folded))
    data = written(tmp_path, sets, "aeb")
    said = set(" ".join(texts(data / "train", "aeb").values()).split())
    assert {"ايه", "شنوه"} <= said and not {"إيه", "شنوة"} & said


def test_fisher_turns_join_the_lines_of_the_mapping_and_keep_four_references(tmp_path: Path) -> None:
    data = written(tmp_path, dict(fisher_callhome.read(*miniature.fisher(tmp_path))), "es")
    train, english = texts(data / "fisher_train", "es"), texts(data / "fisher_train", "en")
    assert len(train) == miniature.COUNTS["train"] + 1
    joined = "20051009_182032_217_fsp-A-000050-000140"
    assert train[joined].count("eh") == 2 and english[joined] == "hello there"
    assert not set("¿?<>()-") & set("".join(train.values()))
    assert kinds(data / "fisher_train") == {
        "segment-outside": 1,
        "text-empty": 1,
        "key-twice": 1,
        "segment-channel": 1,
        "text-missing": 3,  # a line cut short, one beyond the transcript, a call without one
    }
    dev = data / "fisher_dev"
    assert all(text.endswith("uh huh") for text in texts(dev, "en").values())
    assert all(text.endswith("uh huh 3") for text in texts(dev, "en.3").values())
    assert set(texts(dev, "en.1")) == set(texts(dev, "en")) and not (data / "fisher_train/text.lc.rm.en.1").exists()


def test_a_second_preparation_leaves_no_table_of_the_first(tmp_path: Path) -> None:
    sets = dict(fisher_callhome.read(*miniature.fisher(tmp_path)))
    write_set(tmp_path / "data", [sets["fisher_dev"]], src="es", tgt="en")
    write_set(tmp_path / "data", [sets["fisher_train"]], src="es", tgt="en")
    assert not (tmp_path / "data" / "text.lc.rm.en.1").exists()


def test_callhome_is_read_in_latin1(tmp_path: Path) -> None:
    miniature.fisher(tmp_path)
    sets = dict(fisher_callhome.read(*miniature.callhome(tmp_path), sets=["callhome_evltest"]))
    data = written(tmp_path, sets, "es") / "callhome_evltest"
    assert texts(data, "es") == {
        "sp_0085-A-000100-000200": "mañana ana",
        "sp_0085-B-000200-000500": "sí claro eh no hay",
    }
    assert kinds(data) == {"text-missing": 1}


def test_mandarin_is_characters_from_gbk_and_the_table_decides_the_set(tmp_path: Path) -> None:
    data = written(tmp_path, dict(hkust.read(*miniature.hkust(tmp_path))), "zh")
    train = texts(data / "train", "zh")
    assert len(train) == miniature.COUNTS["train"] + 1
    assert train["20040503_220704_A000256_B000257-A-000050-000150"] == "bye bye好"
    assert sum(text.endswith("嗯ok") and " " not in text for text in train.values()) == miniature.COUNTS["train"]
    assert kinds(data / "train") == {
        "line-invalid": 2,  # two turns in a line, a line without a tab
        "segment-outside": 1,
        "text-empty": 2,
        "segment-invalid": 1,
        "text-missing": 2,  # a turn that is not there, a call without a transcript
        "text-replacement": 1,
    }


def test_each_side_of_a_call_is_one_channel_of_its_file(tmp_path: Path) -> None:
    data = written(tmp_path, dict(hkust.read(*miniature.hkust(tmp_path))), "zh") / "dev"
    names = Texts("text.lc.rm.zh", "text.lc.rm.en")
    assert not read_set(data, *names).problems
    said = format_set(data, tmp_path / "dump", names, fs=16000)
    assert "6 utterances" in said and "downmixed" not in said and "left out" not in said
    for key, path in read_table(tmp_path / "dump" / "wav.scp").items():
        samples, fs = soundfile.read(path)
        loudest = np.argmax(np.abs(np.fft.rfft(samples))) * fs / len(samples)
        assert fs == 16000 and samples.ndim == 1
        assert loudest == pytest.approx(300 if "-A-" in key else 600, abs=2)


def test_compressed_recordings_are_one_message_before_anything_is_read(tmp_path: Path, monkeypatch) -> None:
    corpus = miniature.hkust(tmp_path)
    for path in corpus.speech.rglob("*.sph"):
        miniature.compressed(path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"1 of 1 recordings are compressed with shorten .*sph2pipe -f wav"):
        written(tmp_path, dict(hkust.read(*corpus)), "zh")


def test_compressed_recordings_are_unpacked_once_where_sph2pipe_is(tmp_path: Path, monkeypatch) -> None:
    corpus = miniature.hkust(tmp_path)
    [packed] = corpus.speech.rglob("20040504*.sph")
    copy = tmp_path / "copy.sph"
    copy.write_bytes(packed.read_bytes())
    miniature.compressed(packed)
    tool = tmp_path / "bin" / "sph2pipe"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho run >> {tmp_path}/log\ncp {copy} "$5"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    for _ in range(2):
        data = written(tmp_path, {"dev": dict(hkust.read(*corpus))["dev"]}, "zh")
    assert set(read_table(data / "dev" / "wav.scp").values()) == {str(data / "audio" / f"{packed.stem.lower()}.wav")}
    assert (tmp_path / "log").read_text() == "run\n"
    assert len(texts(data / "dev", "en")) == miniature.COUNTS["dev"]
    tool.write_text("#!/bin/sh\necho no licence >&2; exit 3\n")
    (data / "audio" / f"{packed.stem.lower()}.wav").unlink()
    with pytest.raises(DataError, match="sph2pipe ends with status 3 .no licence"):
        written(tmp_path, {"dev": dict(hkust.read(*corpus))["dev"]}, "zh")


def test_what_is_missing_altogether_is_said_at_once(tmp_path: Path) -> None:
    corpus = miniature.fisher(tmp_path)
    with pytest.raises(ConfigError, match="no recording"):
        dict(fisher_callhome.read(corpus.transcripts, corpus.transcripts, corpus.translations))
    with pytest.raises(ConfigError, match=r"no \.tdf below it"):
        dict(fisher_callhome.read(corpus.speech, corpus.speech, corpus.translations))
    english = corpus.translations / "corpus/ldc/fisher_train.en"
    english.write_bytes(english.read_bytes() + b"one more\n")
    with pytest.raises(ConfigError, match=r"fisher_train\.en has 33 lines, and mapping/fisher_train 32"):
        dict(fisher_callhome.read(*corpus))
    english.write_bytes(english.read_bytes().removesuffix(b"one more\n"))
    mapping = corpus.translations / "mapping/fisher_train"
    mapping.write_text(mapping.read_text().replace("_fsp 3\n", "_fsp 0_3\n"))
    with pytest.raises(ConfigError, match=r"mapping/fisher_train:3: not a call and its lines"):
        dict(fisher_callhome.read(*corpus))
    english.unlink()
    with pytest.raises(ConfigError, match=r"fisher_train\.en is missing"):
        dict(fisher_callhome.read(*corpus))
    with pytest.raises(ConfigError, match="no transcript"):
        dict(hkust.read(miniature.hkust(tmp_path).speech, corpus.transcripts, tmp_path))
    tunisian = miniature.iwslt22(tmp_path)
    (tunisian[1] / "exclude-utterance.txt").write_text("file start end\n")
    with pytest.raises(ConfigError, match=r"exclude-utterance\.txt:1: not file, start and end: 'file start end'"):
        dict(iwslt22_dialect.read(*tunisian))
    with pytest.raises(ConfigError, match="LDC2022E01"):
        dict(iwslt22_dialect.read(_without_texts(tmp_path), tmp_path))


def _without_texts(root: Path) -> Path:
    miniature.sphere(root / "empty/data/audio/ta/a.sph", 0.1)
    return root / "empty"


def test_a_turn_ends_with_its_recording(tmp_path: Path) -> None:
    path = miniature.sphere(tmp_path / "call.sph", 3.0)
    texts = {"speaker": "s", "transcript": "sí", "translations": ("yes",)}
    turns = [
        Turn(utt_id=f"u{start_s:g}", recording="Call", channel=1, start_s=start_s, end_s=9.0, **texts)
        for start_s in (1.0, 3.0)
    ]
    write_set(tmp_path / "data", [Reading(audio={"call": path}, turns=turns)], src="es", tgt="en")
    assert read_table(tmp_path / "data" / "segments") == {"u1": "Call-B 1.000 3.000"}
    assert read_table(tmp_path / "data" / "reco2file_and_channel") == {"Call-B": "Call B"}


def test_a_set_without_a_usable_turn_is_an_error(tmp_path: Path) -> None:
    reading = dict(hkust.read(*miniature.hkust(tmp_path)))["dev"]
    with pytest.raises(DataError, match="no utterance can be used .first: .*there is no recording"):
        write_set(tmp_path / "data", [Reading(audio={}, turns=reading.turns)], src="zh", tgt="en")
