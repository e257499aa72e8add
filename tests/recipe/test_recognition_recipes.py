"""The multi-decoder recipes run from a corpus's folder to a pack that decodes both passes, on miniatures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from espnet_jst.recipe.stamp import variables_of
from tests.data.corpora.test_csj import japanese
from tests.data.corpora.test_recognition_corpora import libri, ted
from tests.recipe.test_telephone_recipes import ENCODER, HEAD, ROOT, run

TINY = {
    "frontend_conf": {"fs": 16000, "n_mels": 20},
    "encoder": "contextual_block",
    "encoder_conf": {**ENCODER, "chunk_frames": 4, "past_frames": 2, "look_ahead_frames": 2},
    "hier_encoder": "chunk_conformer",
    "hier_encoder_conf": {**ENCODER, "subsampling": 1, "chunk_frames": 0, "train_chunk_frames": [0]},
    "model_conf": {
        "heads": {
            "streaming": {**HEAD, "reads": "encoder", "lanes": ["transcript"]},
            "offline": {**HEAD, "reads": "hier_encoder", "lanes": ["transcript"]},
        },
        "regularizers": {
            "encoders": {"kind": "sp_kd", "between": ["encoder", "hier_encoder"]},
            "predictors": {"kind": "sp_kd", "between": ["streaming.predictor", "offline.predictor"]},
        },
        "searches": {"offline": {"heads": ["offline"], "second_pass_of": "streaming"}},
    },
    "batch_type": "sorted",
    "batch_size": 4,
    "max_epoch": 1,
    "keep_nbest_models": 1,
    "num_workers": 0,
}


def copied(root: Path, name: str) -> Path:
    """A copy of a recipe, so that nothing is written into the checkout."""
    ignored = shutil.ignore_patterns("__pycache__", "data", "dump", "exp")
    shutil.copytree(ROOT / "egs2" / name, root / "egs2" / name, ignore=ignored)
    shutil.copytree(ROOT / "conf", root / "conf")
    shutil.copy(ROOT / "egs2" / "path.sh", root / "egs2")
    made = root / "egs2" / name / "asr1_md"
    (made / "tiny.yaml").write_text(json.dumps(TINY), encoding="utf-8")
    return made


@pytest.mark.parametrize(
    ("name", "variable"), [("librispeech", "LIBRISPEECH"), ("tedlium3", "TEDLIUM3"), ("csj", "CSJ")]
)
def test_a_corpus_that_is_not_given_is_one_message(name: str, variable: str, monkeypatch, tmp_path: Path) -> None:
    script = ROOT / "egs2" / name / "asr1_md" / "local" / "data.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop(variable, None)
    command = [sys.executable, str(script), "--data_dir", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "is not given" in done.stderr and f"{variable}=FOLDER ./run.sh" in done.stderr
    monkeypatch.setenv(variable, "/somewhere")
    assert variable in variables_of([script])  # stage 1 runs again when it changes


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "variable", "corpus", "test", "options"),
    [
        ("librispeech", "LIBRISPEECH", libri, "test_clean", []),
        ("tedlium3", "TEDLIUM3", ted, "test", []),
        ("csj", "CSJ", japanese, "eval1", ["--local_data_opts", "--dev_utterances 4"]),
    ],
)
def test_a_recipe_goes_from_the_corpus_to_a_pack(name, variable, corpus, test, options, tmp_path: Path) -> None:
    recipe, environment = copied(tmp_path, name), {variable: str(corpus(tmp_path / "corpus"))}
    flags = ["--st_config", "tiny.yaml", "--st_tag", "x", "--token_type", "char", "--max_wav_duration", "60", *options]
    said = run(recipe, environment, *flags)
    assert "failed" not in said and "up to date" not in said
    exp = recipe / "exp" / "st_x"
    scores = json.loads((exp / f"decode_st_model_valid.loss.ave_streaming/{test}/scores.json").read_text("utf-8"))
    assert set(scores["lanes"]) == {"transcript"}
    assert (exp / "st_x_valid.loss.ave.zip").is_file()
    assert " ...\n" not in run(recipe, environment, *flags)  # a second run does nothing
    one = [*flags, "--stage", "12", "--stop_stage", "12", "--inference_args", "--search_heads streaming"]
    run(recipe, environment, *one, "--inference_tag", "streaming")
    assert (exp / "streaming_streaming" / test / "text").is_file()
