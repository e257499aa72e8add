"""The recipes of the telephone corpora run from the LDC's folders to a pack, on miniatures of these."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_jst.data.corpora import fisher_callhome, hkust, iwslt22_dialect
from espnet_jst.data.kaldi import read_table
from espnet_jst.recipe.stamp import variables_of
from tests.data.corpora import miniature

ROOT = Path(__file__).resolve().parents[2]
ENCODER = {"size": 16, "layers": 1, "heads": 2, "feed_forward_size": 16, "kernel_size": 5}
HEAD = {"kind": "transducer", "predictor_conf": {"size": 16}, "joint_size": 16}
TINY = {
    "frontend_conf": {"fs": 16000, "n_mels": 20},
    "encoder": "chunk_conformer",
    "encoder_conf": {**ENCODER, "chunk_frames": 16, "left_chunks": 4},
    "hier_encoder": "chunk_conformer",
    "hier_encoder_conf": {**ENCODER, "subsampling": 1, "chunk_frames": 16, "left_chunks": 4},
    "model_conf": {
        "hier_reads": "encoder",
        "heads": {
            "asr": {**HEAD, "reads": "encoder", "lanes": ["transcript"]},
            "st": {**HEAD, "reads": "hier_encoder", "lanes": ["translation"]},
        },
    },
    "batch_type": "sorted",
    "batch_size": 8,
    "max_epoch": 1,
    "keep_nbest_models": 1,
    "num_workers": 0,
}
NAMES = ("iwslt22_dialect", "fisher_callhome_spanish", "hkust_english", "multi_conv_zh_es_ta")
VARIABLES = (
    *("IWSLT22_DIALECT", "IWSLT22_SPLITS", "FISHER_CALLHOME_SPANISH", "FISHER_CALLHOME_TRANSLATIONS"),
    *("HKUST1", "HKUST2", "HKUST_ENGLISH"),
)


def folders(root: Path) -> dict[str, str]:
    """The miniatures, by the variables that name them to the recipes."""
    tunisian, mandarin, spanish = miniature.iwslt22(root), miniature.hkust(root), miniature.fisher(root)
    return {
        "IWSLT22_DIALECT": str(tunisian.corpus),
        "IWSLT22_SPLITS": str(tunisian.splits),
        "FISHER_CALLHOME_SPANISH": str(root),
        "FISHER_CALLHOME_TRANSLATIONS": str(spanish.translations),
        "HKUST1": str(mandarin.speech),
        "HKUST2": str(mandarin.transcripts),
        "HKUST_ENGLISH": str(mandarin.translations),
    }


def copied(root: Path, name: str) -> Path:
    """A copy of a recipe and of what it lies on, so that nothing is written into the checkout."""
    ignored = shutil.ignore_patterns("__pycache__", "data", "dump", "exp")
    for recipe in {name, "multi_conv_zh_es_ta"}:
        shutil.copytree(ROOT / "egs2" / recipe, root / "egs2" / recipe, ignore=ignored)
    shutil.copytree(ROOT / "conf", root / "conf")
    shutil.copy(ROOT / "egs2" / "path.sh", root / "egs2")
    made = root / "egs2" / name / "jst1"
    (made / "tiny.yaml").write_text(json.dumps(TINY), encoding="utf-8")
    return made


def run(recipe: Path, environment: dict[str, str], *options: str) -> str:
    """run.sh in its folder; returns what it says."""
    inherited = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JST_VENV": sys.prefix}
    settings["JST_CACHE"] = str(recipe / "cache")
    command = ["bash", str(recipe / "run.sh"), "--nj", "1", "--inference_nj", "1", *options]
    done = subprocess.run(
        command, env={**inherited, **settings, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "pieces", "tests"),
    [
        ("iwslt22_dialect", 50, {"test1": "aeb"}),
        ("fisher_callhome_spanish", 50, {"fisher_dev2": "es", "fisher_test": "es"}),
        ("hkust_english", 50, {"test": "zh"}),
        # 63 letters and characters
        ("multi_conv_zh_es_ta", 80, dict.fromkeys(["test_iwslt22_ta", "test_hkust", "test_fisher_sp"], "mul")),
    ],
)
def test_a_recipe_goes_from_the_ldc_s_folders_to_a_pack(
    name: str, pieces: int, tests: dict[str, str], tmp_path: Path
) -> None:
    recipe, environment = copied(tmp_path, name), folders(tmp_path / "corpora")
    flags = ["--st_config", "tiny.yaml", "--st_tag", "x", "--src_nbpe", str(pieces), "--tgt_nbpe", "40"]
    said = run(recipe, environment, *flags)
    assert "failed" not in said and "up to date" not in said
    exp = recipe / "exp" / "st_x"
    for test, source in tests.items():
        scores = json.loads((exp / f"decode_st_model_valid.loss.ave_streaming/{test}/scores.json").read_text("utf-8"))
        assert scores["lanes"]["transcript"]["language"] == source
        assert scores["lanes"]["translation"]["utterances"] == miniature.COUNTS["test"]
        signature = scores["signature"]
        assert (signature["chunk_s"], signature["left_chunks"]) == (1.28, 2)
    assert (exp / "st_x_valid.loss.ave.zip").is_file()
    assert " ...\n" not in run(recipe, environment, *flags)  # a second run does nothing
    flags += ["--inference_config", "conf/decode_offline.yaml", "--use_streaming", "false"]
    run(recipe, environment, *flags, "--stage", "12", "--stop_stage", "12")
    signature = json.loads((exp / f"decode_offline_st_model_valid.loss.ave_offline/{test}/signature.json").read_text())
    assert (signature["beam_size"], signature["chunk_s"]) == (20, "whole")


def test_the_combined_sets_hold_all_three_languages(tmp_path: Path) -> None:
    recipe = copied(tmp_path, "multi_conv_zh_es_ta")
    run(recipe, folders(tmp_path / "corpora"), "--stage", "1", "--stop_stage", "1")
    data = recipe / "data"
    train = " ".join(read_table(data / "train" / "text.lc.rm.mul").values())
    assert all(words[0] in train for words in (miniature.MANDARIN, miniature.SPANISH, miniature.TUNISIAN))
    assert len(read_table(data / "dev" / "text.lc.rm.en")) == 3 * miniature.COUNTS["dev"]
    assert {path.name for path in data.iterdir() if (path / "wav.scp").is_file()} == {
        *("train", "dev", "test_iwslt22_ta", "test_hkust", "test_fisher_sp")
    }
    # Four references of the Spanish test set; the set of all languages has one.
    assert (data / "test_fisher_sp" / "text.lc.rm.en.3").is_file() and not [*data.glob("dev/text.lc.rm.en.*")]


def test_stage_1_runs_again_when_a_folder_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "/somewhere")
    seen = {name: set(variables_of([ROOT / "egs2" / name / "jst1" / "local" / "data.py"])) for name in NAMES}
    needed = {
        "iwslt22_dialect": iwslt22_dialect.FOLDERS,
        "fisher_callhome_spanish": fisher_callhome.FOLDERS,
        "hkust_english": hkust.FOLDERS,
    }
    for name, folders in needed.items():
        assert {folder.variable for folder in folders} <= seen[name]
    assert set(VARIABLES) <= seen["multi_conv_zh_es_ta"]


@pytest.mark.parametrize("name", NAMES)
def test_a_corpus_that_is_not_given_is_one_message(name: str, tmp_path: Path) -> None:
    script = ROOT / "egs2" / name / "jst1" / "local" / "data.py"
    inherited = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    done = subprocess.run(
        [sys.executable, str(script), "--data_dir", str(tmp_path)],
        **{"env": {**inherited, "PYTHONPATH": str(ROOT)}, "capture_output": True, "text": True, "check": False},
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "is not given" in done.stderr and "=FOLDER ./run.sh" in done.stderr
