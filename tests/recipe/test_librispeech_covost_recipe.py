"""LibriSpeech beside CoVoST 2, with translations of its transcripts and without, from miniatures to packs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from espnet_jst.data.kaldi import read_table
from tests.data.corpora.test_recognition_corpora import libri
from tests.data.corpora.translated import make_covost2
from tests.recipe.test_unit_recipes import ROOT, TINY_SPEECH, copied, run

TRANSLATED = "84-1-0000 Ja, ja!\n84-2-0001 hallo\n1-1-0000 in keinem Teil\n"


def corpora(folder: Path) -> dict[str, str]:
    voices, tables = make_covost2(folder, counts={"train": 16})
    (folder / "translations").write_text(TRANSLATED, encoding="utf-8")
    return {"COMMON_VOICE": str(voices), "COVOST2": str(tables), "LIBRISPEECH": str(libri(folder / "libri"))}


def prepare(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "egs2" / "librispeech_covost2" / "jst1" / "local" / "data.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **corpora(folder)}
    command = [sys.executable, str(script), "--data_dir", "data", *flags]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_transcripts_alone_are_a_set_of_their_own(tmp_path: Path) -> None:
    done = prepare(tmp_path)
    assert done.returncode == 0, done.stderr
    alone = tmp_path / "data" / "transcripts"
    lengths = read_table(alone / "utt2num_samples")
    assert lengths["84-1-0001"] == "9600" and len(lengths) == 8
    assert read_table(alone / "text.lc.rm.en")["84-1-0000"] == "yes hello" and not (alone / "text.tc.de").exists()
    assert not any(key.startswith("84-") for key in read_table(tmp_path / "data" / "train" / "wav.scp"))


def test_what_is_translated_joins_the_training_set(tmp_path: Path) -> None:
    done = prepare(tmp_path, "--translations", "translations")
    assert done.returncode == 0, done.stderr
    assert "2 of 8 training utterances of LibriSpeech are translated" in done.stderr
    german = read_table(tmp_path / "data" / "train" / "text.tc.de")
    assert german["84-1-0000"] == "Ja, ja!" and "84-1-0001" not in german and len(german) > 2
    assert not (tmp_path / "data" / "transcripts").exists()


def test_a_table_of_other_utterances_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x y\n")
    done = prepare(tmp_path, "--translations", "other")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: other names none of the 8")


@pytest.mark.long
@pytest.mark.parametrize("translations", [False, True])
def test_it_goes_from_the_corpora_to_a_pack(tmp_path: Path, translations: bool) -> None:
    base = "train.yaml" if translations else "train_transcripts.yaml"
    conf = {**TINY_SPEECH, "base": base, "frontend_conf": {"fs": 16000, "n_mels": 20}}
    here = copied(tmp_path, "librispeech_covost2/jst1", conf)
    (tmp_path / "egs2" / "covost2").symlink_to(ROOT / "egs2" / "covost2")
    given = corpora(tmp_path)
    where = "de"
    if translations:
        given["LIBRISPEECH_TRANSLATIONS"], where = str(tmp_path / "translations"), "de_translated"
    run(here, given, "--nbpe", "120", "--use_streaming", "true")
    exp = here / "exp" / where / "st_x"
    [scores] = exp.glob("decode*/test/scores.json")
    assert json.loads(scores.read_text())["lanes"].keys() == {"transcript", "translation"}
    trained = yaml.safe_load((exp / "config.yaml").read_text(encoding="utf-8"))
    assert bool(trained["train_groups"]) is not translations
    assert len([*exp.glob("*.zip")]) == 1
