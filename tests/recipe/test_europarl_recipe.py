"""The Europarl-ST recipe as it is, from a miniature of the corpus to a pack that translates."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from tests.data.corpora.europarl import make_europarl

ROOT = Path(__file__).resolve().parents[2]
HEAD = {"predictor_conf": {"size": 16}, "joint_size": 16}
SMALL = {
    "base": "train_several.yaml",
    "frontend_conf": {"fs": 8000, "n_mels": 20},
    "encoder_conf": {
        "layers": [1, 1],
        "sizes": [16, 24],
        "unmasked_sizes": [16, 16],
        "downsampling": [1, 2],
        "feed_forward_sizes": [16, 16],
        "heads": [2, 2],
        "kernel_sizes": [5, 5],
        "subsampling_channels": [4, 4, 8],
    },
    "hier_encoder_conf": {
        "layers": [1],
        "sizes": [24],
        "unmasked_sizes": [16],
        "downsampling": [2],
        "feed_forward_sizes": [16],
        "heads": [2],
        "kernel_sizes": [5],
    },
    "model_conf": {"heads": {"asr": HEAD, "st": HEAD}},
    "max_epoch": 1,
    "batch_type": "sorted",
    "batch_size": 16,
    "keep_nbest_models": 1,
    "num_workers": 0,
}


def recipe(folder: Path) -> Path:
    """A copy of the recipe as it stands in the project, with what it names; `small.yaml` is a smaller model."""
    for name in ("conf", "egs2/path.sh", "egs2/europarl_st/jst1"):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("data", "dump", "exp", "__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    here = folder / "egs2" / "europarl_st" / "jst1"
    (here / "conf" / "small.yaml").write_text(json.dumps(SMALL), encoding="utf-8")
    return here


def run(here: Path, corpus: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JST_VENV": str(Path(sys.executable).parents[1]),
        "JST_CACHE": str(here / "cache"),
        "OMP_NUM_THREADS": "1",
        "EUROPARL_ST": str(corpus),
    }
    command = ["./run.sh", "--nj", "1", "--inference_nj", "1", *flags]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.long
def test_many_to_many_goes_through_every_stage_to_a_pack_that_is_told_the_target(tmp_path: Path) -> None:
    here, corpus = recipe(tmp_path), make_europarl(tmp_path / "v1.1")
    flags = ["--langs=de,fr-en,de", "--token_type", "char", "--st_config", "conf/small.yaml", "--st_tag", "x"]
    done = run(here, corpus, *flags, "--use_streaming", "true", "--max_wav_duration", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    exp = here / "exp" / "de,fr-en,de".replace(",", "+") / "st_x"
    scored = {path.parent.name: json.loads(path.read_text()) for path in exp.glob("decode*/*/scores.json")}
    assert set(scored) == {"test_de_en", "test_fr_en", "test_fr_de"}
    languages = {name: entry["language"] for name, entry in scored["test_de_en"]["lanes"].items()}
    assert languages == {"transcript": "mul", "translation": "mul-x-tgt"}
    assert scored["test_fr_de"]["lanes"]["translation"]["utterances"] == 4
    [pack] = exp.glob("*.zip")
    from espnet_jst.inference import Speech2Text

    model = Speech2Text.from_pretrained(str(pack))
    samples, fs = soundfile.read(corpus / "fr" / "audios" / "fr.20080924.3.1-nicolas.flac", frames=16000)
    assert set(model(samples, fs=fs, tgt_lang="de")[0][3].lanes) == {"transcript", "translation"}


def test_wrong_directions_end_before_any_stage(tmp_path: Path) -> None:
    here = recipe(tmp_path)
    done = run(here, tmp_path, "--langs", "en-xx")
    assert done.returncode == 1 and done.stdout == ""
    languages = "de, en, es, fr, it, nl, pl, pt, ro"
    assert done.stderr == f"error: directions 'en-xx': 'xx' is not one of {languages}\n"
    assert not (here / "data").exists()


def test_the_corpus_that_is_not_given_is_one_message_with_where_to_get_it(tmp_path: Path) -> None:
    script = recipe(tmp_path) / "local" / "data.py"
    environment = {key: value for key, value in os.environ.items() if key != "EUROPARL_ST"}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: the folder v1.1 of Europarl-ST, in which are de, en and so on, is not given: get v1.1.tar.gz (20 GB)"
    )
