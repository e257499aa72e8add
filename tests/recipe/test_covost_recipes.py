"""tSOT on CoVoST 2, from miniatures of the corpora to packs: several spoken languages, several targets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import yaml

from espnet_jst.data.kaldi import read_table
from tests.data.corpora.translated import make_covost2
from tests.recipe.test_unit_recipes import ROOT, TINY_SPEECH, copied, run

FLAGS = ["--fs", "8k", "--nbpe", "120", "--use_streaming", "true"]


def tokens_of(here: Path, where: str) -> set[str]:
    [tokens] = (here / "data" / where).glob("*_token_list/tgt_*/tokens.txt")
    return set(tokens.read_text(encoding="utf-8").split("\n"))


@pytest.mark.long
def test_several_spoken_languages_have_tags_of_their_own(tmp_path: Path) -> None:
    here = copied(tmp_path, "covost2/jst1", {**TINY_SPEECH, "base": "train_many_to_one.yaml"})
    for src in ("de", "it"):
        voices, tables = make_covost2(tmp_path, counts={"train": 16}, src=src, tgt="en")
    run(here, {"COMMON_VOICE": str(voices), "COVOST2": str(tables)}, "--langs", "de,it-en", *FLAGS)
    exp = here / "exp" / "de+it-en" / "st_x"
    assert {path.parent.name for path in exp.glob("decode*/*/scores.json")} == {"test_de_en", "test_it_en"}
    assert {"<de>", "<it>", "<en>"} <= tokens_of(here, "de+it-en")
    conf = yaml.safe_load((exp / "config.yaml").read_text(encoding="utf-8"))
    assert "src_lang" in {name for _, name, _ in conf["train_data_path_and_name_and_type"]}
    assert len([*exp.glob("*.zip")]) == 1


@pytest.mark.long
def test_one_spoken_language_goes_into_the_target_that_is_named(tmp_path: Path) -> None:
    here = copied(tmp_path, "covost2/jst1", {**TINY_SPEECH, "base": "train_one_to_many.yaml"})
    for tgt in ("ar", "zh-CN"):
        voices, tables = make_covost2(tmp_path, counts={"train": 16}, tgt=tgt)
    run(here, {"COMMON_VOICE": str(voices), "COVOST2": str(tables)}, "--langs", "en-ar,zh-CN", *FLAGS)
    exp = here / "exp" / "en-ar+zh-CN" / "st_x"
    scored = {path.parent.name: json.loads(path.read_text()) for path in exp.glob("decode*/*/scores.json")}
    assert scored.keys() == {"test_en_ar", "test_en_zh-CN"}
    assert all(scores["lanes"].keys() == {"transcript", "translation"} for scores in scored.values())
    [pack] = exp.glob("*.zip")
    from espnet_jst.inference import Speech2Text

    model = Speech2Text.from_pretrained(str(pack))
    wav = read_table(here / "dump" / "en-ar+zh-CN" / "raw" / "test_en_ar" / "wav.scp")
    samples, fs = soundfile.read(here / next(iter(wav.values())), dtype="float32")
    assert set(model(samples, fs=fs, tgt_lang="zh-CN")[0][3].lanes) == {"transcript", "translation"}


def test_both_sides_several_are_refused_before_any_stage() -> None:
    script = ROOT / "egs2" / "covost2" / "jst1" / "local" / "data.py"
    command = [sys.executable, str(script), "--langs", "all-all", "--names"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "several spoken languages, or several targets of one, not both" in done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--size", "huge"], "error: --size huge is none of: small paper\n"),
        (["--size=huge"], "error: --size huge is none of: small paper\n"),
        (["--langs", "de-en", "--size"], "error: --size needs a value, such as small\n"),
    ],
)
def test_options_of_one_run_sh_are_checked(given: list[str], message: str) -> None:
    script = ROOT / "egs2" / "covost2" / "jst1" / "run.sh"
    done = subprocess.run(["bash", str(script), *given], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, message)
