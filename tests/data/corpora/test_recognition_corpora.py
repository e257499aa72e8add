"""LibriSpeech and TED-LIUM on miniatures of their layouts: what is read, and what is left out and listed."""

import numpy as np
import pytest
import soundfile

from espnet_jst.data.checks import read_skipped
from espnet_jst.data.corpora import librispeech, tedlium
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError
from tests.data.corpora.miniature import lines

WORDS = ["YES", "HELLO", "WHAT'S", "WHERE", "GOOD", "TODAY", "WORK", "HOME", "MONEY", "THANKS"]


def tone(path, seconds, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    x = 0.2 * np.sin(2 * np.pi * 300 * np.arange(round(16000 * seconds)) / 16000)
    soundfile.write(path, x, 16000, **options)


def libri(root, parts=("train-clean-100", *librispeech.HELD_OUT), count=4):
    """<part>/<speaker>/<chapter>, two chapters of each part."""
    for part in parts:
        for chapter in (1, 2):
            folder = root / "LibriSpeech" / part / "84" / str(chapter)
            names = [f"84-{chapter}-{number:04d}" for number in range(count)]
            for number, name in enumerate(names):
                tone(folder / f"{name}.flac", 0.5 + 0.1 * number)
            said = [f"{name} {WORDS[n]} {WORDS[(3 * n + chapter) % 10]}" for n, name in enumerate(names)]
            lines(folder / f"84-{chapter}.trans.txt", said)
    return root


def ted(root, count=4):
    """legacy/<set>: a talk of several segments, one of which is not scored."""
    for name in tedlium.SETS:
        folder, talk = root / "TEDLIUM_release-3" / "legacy" / name, f"Somebody_{name}"
        tone(folder / "sph" / f"{talk}.sph", count + 0.5, format="NIST", subtype="PCM_16")
        said = [
            f"{talk} 1 {talk} {n:.2f} {n + 0.8:.2f} <o,f0,female> it 's {WORDS[n].lower()} <unk> {{NOISE}} read(2)"
            for n in range(count)
        ]
        said[1:1] = [f"{talk} 1 inter_segment_gap 0.80 1.00 <o,,unknown> ignore_time_segment_in_scoring"]
        lines(folder / "stm" / f"{talk}.stm", said)
    return root


def prepared(out, sets):
    for name, readings in sets:
        write_set(out / name, readings, src="en", tgt=None)
    return out


def test_librispeech(tmp_path):
    data = prepared(tmp_path / "data", librispeech.read(libri(tmp_path)))
    assert {path.name for path in data.iterdir()} == {
        *("train", "dev", "dev_clean", "dev_other", "test_clean", "test_other")
    }
    texts = read_table(data / "train" / "text.lc.rm.en")
    assert texts["84-1-0002"] == "what's home" and len(texts) == 8
    assert len(read_table(data / "dev" / "text.lc.rm.en")) == 8  # both parts have the same names here
    assert read_table(data / "train" / "utt2spk")["84-1-0002"] == "84-1"
    assert read_table(data / "train" / "wav.scp")["84-1-0002"].endswith("train-clean-100/84/1/84-1-0002.flac")
    assert not (data / "train" / "segments").exists()


def test_librispeech_names_what_is_left_out(tmp_path):
    folder = libri(tmp_path) / "LibriSpeech" / "test-clean" / "84" / "1"
    (folder / "84-1-0001.flac").unlink()
    lines(folder / "84-1.trans.txt", ["84-1-0000 YES", "84-1-0001 HELLO", "84-1-0002", "84-1-0003 GOOD"])
    data = prepared(tmp_path / "data", librispeech.read(tmp_path))
    found = {problem.utt_id: problem.kind for problem in read_skipped(data / "test_clean")}
    assert found == {"84-1-0001": "audio-missing", "84-1-0002": "text-empty"}
    with pytest.raises(ConfigError, match="train-clean-360 is not there.*--parts train-clean-100'"):
        librispeech.read(tmp_path, ["train-clean-360"])
    with pytest.raises(ConfigError, match="train-clean-100, train-clean-360, train-other-500, dev-clean"):
        librispeech.read(tmp_path / "data", librispeech.TRAINING)


def test_tedlium(tmp_path):
    data = prepared(tmp_path / "data", tedlium.read(ted(tmp_path)))
    assert {path.name for path in data.iterdir()} == {"train", "dev", "test"}
    texts = read_table(data / "dev" / "text.lc.rm.en")
    assert texts["Somebody_dev-000200-000280"] == "it's what's read" and len(texts) == 4
    assert read_table(data / "dev" / "segments")["Somebody_dev-000200-000280"] == "Somebody_dev 2.000 2.800"


def test_tedlium_names_what_is_left_out(tmp_path):
    stm = ted(tmp_path) / "TEDLIUM_release-3" / "legacy" / "test" / "stm"
    lines(stm / "b.stm", ["b 1 b 0.0", ";; a remark", "b 1 b 0.00 1.00 <o,f0,male> hello"])
    data = prepared(tmp_path / "data", tedlium.read(tmp_path))
    found = {problem.utt_id: problem.kind for problem in read_skipped(data / "test")}
    assert found == {"b.stm:1": "segment-invalid", "b-000000-000100": "audio-missing"}
    with pytest.raises(ConfigError, match=r"legacy/train/stm has no .stm files: give the unpacked TEDLIUM_release-3"):
        tedlium.read(tmp_path / "data")
