"""The recipes on discrete units, and Killkan's, from miniatures of the corpora to packs that read audio."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from espnet_jst.data.kaldi import read_table
from tests.data.corpora.translated import make_covost2, make_killkan, make_must_c
from tests.recipe.spoken_digits import SMALL
from tests.recipe.test_hard_sharing import ENCODER

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "base": "train.yaml",
    "input_size": 16,
    "encoder_conf": {"base": None, **ENCODER},
    "hier_encoder_conf": {"base": None, **ENCODER},
    "model_conf": {"heads": {"st": {"layers": 1, "feed_forward_size": 16, "heads": 2}}},
    "batch_type": "sorted",
    "batch_size": 4,
    "max_epoch": 1,
    "keep_nbest_models": 1,
    "num_workers": 0,
}
TINY_SPEECH = {**SMALL, "base": "train.yaml", "encoder_conf": {"base": None, **SMALL["encoder_conf"], "taps": []}}
TINY_SPEECH["model_conf"] = {"heads": {"joint": {"predictor_conf": {"size": 16}, "joint_size": 16, "prune_range": 5}}}
TINY_SPEECH["model_conf"]["heads"]["ctc"] = {"reads": "encoder"}
UNITS = "--kmeans_feature log_mel --nclusters 30 --unit_nbpe 50 --src_nbpe 40 --nbpe 50 --fs 8k"


def copied(root: Path, name: str, conf: dict) -> Path:
    """A copy of a recipe, with what it names, and a smaller model."""
    ignored = shutil.ignore_patterns("__pycache__", "data", "dump", "exp")
    for folder in (name, "mboshi_french/jst1"):
        if not (root / "egs2" / folder).exists():
            shutil.copytree(ROOT / "egs2" / folder, root / "egs2" / folder, ignore=ignored)
    shutil.copytree(ROOT / "conf", root / "conf")
    shutil.copy(ROOT / "egs2" / "path.sh", root / "egs2")
    (root / "egs2" / name / "conf" / "tiny.yaml").write_text(json.dumps(conf), encoding="utf-8")
    return root / "egs2" / name


def run(here: Path, variables: dict[str, str], *flags: str) -> str:
    environment = {
        **os.environ,
        **variables,
        "PYTHONPATH": str(ROOT),
        "JST_VENV": str(Path(sys.executable).parents[1]),
        "JST_CACHE": str(here / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    command = ["./run.sh", "--nj", "1", "--inference_nj", "1", "--st_config", "conf/tiny.yaml", "--st_tag", "x", *flags]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def heard(pack: Path, here: Path, wav_scp: Path) -> set[str]:
    """Lanes that a pack writes of a recording, which is named from the recipe's folder."""
    from espnet_jst.inference import Speech2Text

    samples, fs = soundfile.read(here / next(iter(read_table(wav_scp).values())), dtype="float32")
    return set(Speech2Text.from_pretrained(str(pack))(samples, fs=fs)[0][3].lanes)


@pytest.mark.long
@pytest.mark.parametrize("name", ["must_c/st1_units", "covost2/st1_units"])
def test_a_recipe_on_units_goes_from_the_corpus_to_a_pack_that_reads_audio(name: str, tmp_path: Path) -> None:
    here = copied(tmp_path, name, TINY)
    if name.startswith("must_c"):
        variables, tests = {"MUST_C": str(make_must_c(tmp_path / "corpus", counts={"train": 16}))}, "tst-COMMON"
    else:
        voices, tables = make_covost2(tmp_path, counts={"train": 30})
        variables, tests = {"COMMON_VOICE": str(voices), "COVOST2": str(tables)}, "test"
    said = run(here, variables, *UNITS.split(), "--tgt_lang", "de")
    assert "stage 5: units log_mel_km30: done" in said and "text to train on: done" in said
    exp = here / "exp" / "en-de" / "st_x"
    [scores] = exp.glob(f"decode*/{tests}/scores.json")
    assert json.loads(scores.read_text())["lanes"].keys() == {"translation"}
    [pack] = exp.glob("*.zip")
    assert heard(pack, here, here / "dump" / "en-de" / "raw" / tests / "wav.scp") == {"translation"}


@pytest.mark.long
def test_killkan_goes_from_the_repository_to_a_pack(tmp_path: Path) -> None:
    here = copied(tmp_path, "killkan_qvi_es/jst1", TINY_SPEECH)
    corpus = make_killkan(tmp_path / "killkan", counts={1: 30, 2: 12})
    run(here, {"KILLKAN": str(corpus)}, "--fs", "8k", "--use_streaming", "true", "--nbpe", "60")
    exp = here / "exp" / "st_x"
    [scores] = exp.glob("decode*/test/scores.json")
    assert json.loads(scores.read_text())["lanes"].keys() == {"transcript", "translation"}
    assert len(read_table(here / "data" / "train_asr" / "wav.scp")) == 14
    [pack] = exp.glob("*.zip")
    assert heard(pack, here, here / "dump" / "raw" / "test" / "wav.scp") == {"transcript", "translation"}


@pytest.mark.parametrize(
    ("name", "variable"),
    [("must_c/st1_units", "MUST_C"), ("covost2/st1_units", "COMMON_VOICE"), ("killkan_qvi_es/jst1", "KILLKAN")],
)
def test_a_corpus_that_is_not_given_is_one_message(name: str, variable: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != variable}
    command = [sys.executable, str(ROOT / "egs2" / name / "local" / "data.py"), "--data_dir", str(tmp_path)]
    done = subprocess.run(
        command, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "is not given" in done.stderr and f"{variable}=FOLDER ./run.sh" in done.stderr
