"""The Mboshi recipe reads the published layout and the packed one, and makes ESPnet's sets."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError

SCRIPT = Path(__file__).resolve().parents[2] / "egs2" / "mboshi_french" / "jst1" / "local" / "data.py"
spec = importlib.util.spec_from_file_location("mboshi_data", SCRIPT)
assert spec is not None and spec.loader is not None
mboshi = importlib.util.module_from_spec(spec)
sys.modules["mboshi_data"] = mboshi  # dataclasses look their module up
spec.loader.exec_module(mboshi)

IDS = [f"abiayi_2015_Dico{number}" for number in range(110)]


def audio(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(1600, dtype=np.float32), 16000)


def published(root: Path, name: str, ids: list[str]) -> None:
    folder = root / "full_corpus_newsplit" / name
    for utt in ids:
        audio(folder / f"{utt}.wav")
        (folder / f"{utt}.mb.cleaned").write_text("wa mísi ábhi\n", encoding="utf-8")
        (folder / f"{utt}.fr.cleaned").write_text("j&apos; ai vu , ses yeux .\n", encoding="utf-8")


def packed(root: Path, name: str, ids: list[str]) -> None:
    columns = ["id", "speaker", "mdw_clean", "fra_clean", "source_id"]
    rows = [[utt[-8:], "abiayi", "wa mísi ábhi", "j'ai vu , ses yeux .", utt] for utt in ids]
    for row in rows:
        audio(root / name / f"{row[0]}.opus.flac")
    lines = ["\t".join(row) for row in [columns, *rows]]
    (root / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("form", [published, packed])
def test_both_forms_make_the_same_sets(form, tmp_path):
    form(tmp_path / "corpus", "train", IDS[::-1])
    form(tmp_path / "corpus", "dev", ["kouarata_2015_Dico1"])
    mboshi.main(["--data_dir", str(tmp_path / "data"), "--corpus", str(tmp_path / "corpus")])
    first = sorted(IDS)[:100]
    assert list(read_table(tmp_path / "data" / "dev100" / "wav.scp")) == first
    assert list(read_table(tmp_path / "data" / "train_nodev" / "wav.scp")) == sorted(IDS)[100:]
    assert read_table(tmp_path / "data" / "dev" / "utt2spk") == {"kouarata_2015_Dico1": "kouarata"}
    assert set(read_table(tmp_path / "data" / "dev100" / "text.lc.rm.fr").values()) == {"j'ai vu ses yeux"}
    assert set(read_table(tmp_path / "data" / "dev100" / "text.lc.rm.mb").values()) == {"wa mísi ábhi"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Montre-moi ta blessure .", "montre-moi ta blessure"),
        ("ces chaussures-ci , usées : oui ;", "ces chaussures-ci usées oui"),
        ("qu\N{RIGHT SINGLE QUOTATION MARK}on s&apos; est vu - ' hier '", "qu'on s'est vu hier"),
        ("ngá ítabhá mbώngω ó ndée", "ngá ítabhá mbώngω ó ndée"),
    ],
)
def test_punctuation_goes_and_words_stay(text, expected):
    assert mboshi.normalize(text) == expected


def test_a_missing_or_incomplete_corpus_says_where_to_get_it(tmp_path):
    with pytest.raises(ConfigError, match="git clone"):
        mboshi.main(["--corpus", str(tmp_path)])
    published(tmp_path, "train", IDS[:2])
    next((tmp_path / "full_corpus_newsplit" / "train").glob("*.fr.cleaned")).unlink()
    with pytest.raises(ConfigError, match="fr.cleaned is missing"):
        mboshi.main(["--corpus", str(tmp_path)])
