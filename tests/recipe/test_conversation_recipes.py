"""The recipes of conversations run from single recordings to scores with speakers, on a few conversations."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from espnet_jst.data.kaldi import read_table
from espnet_jst.evaluation.speakers.segments import read_segments
from tests.recipe.test_telephone_recipes import TINY

ROOT = Path(__file__).resolve().parents[2]
NAMED = {"preprocessor_conf": {"speakers": ["self", "other"]}, "max_epoch": 2}


def copied(root: Path, name: str) -> Path:
    """A copy of a recipe with few conversations, so that nothing is written into the checkout."""
    ignored = shutil.ignore_patterns("__pycache__", "data", "dump", "exp")
    shutil.copytree(ROOT / "egs2" / name, root / "egs2" / name, ignore=ignored)
    digits = root / "egs2" / "fsdd_digits" / "jst1"
    digits.mkdir(parents=True, exist_ok=True)
    for folder in ("corpus", "local"):
        if not (digits / folder).exists():
            (digits / folder).symlink_to(ROOT / "egs2" / "fsdd_digits" / "jst1" / folder)
    shutil.copy(ROOT / "egs2" / "path.sh", root / "egs2")
    made = root / "egs2" / name / "jst1"
    simulation = made / "conf" / "simulate.yaml"
    cheap = {"max_order": 3, "rooms": 2, "turns": [3, 4]}
    simulation.write_text(yaml.safe_dump({**yaml.safe_load(simulation.read_text("utf-8")), **cheap}), "utf-8")
    return made


def run(recipe: Path, *flags: str, **environment: str) -> str:
    """Run it; returns what it says."""
    values = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JST_VENV": sys.prefix, **environment}
    command = ["bash", str(recipe / "run.sh"), "--nj", "1", "--inference_nj", "1", "--ngpu", "0", *flags]
    done = subprocess.run(command, env={**os.environ, **values}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_digit_conversations_are_trained_and_scored_with_their_speakers(tmp_path: Path) -> None:
    pytest.importorskip("pyroomacoustics")
    recipe = copied(tmp_path, "fsdd_conversations")
    tiny = {**TINY, **NAMED, "frontend_conf": {"fs": 8000, "n_mels": 20}, "batch_size": 4}
    (recipe / "tiny.yaml").write_text(json.dumps(tiny), "utf-8")
    flags = ["--st_config", "tiny.yaml", "--st_tag", "x", "--test_sets", "test test_unheard", "--stop_stage", "13"]
    flags += ["--local_data_opts", "--train 8 --dev 3 --test 3 --nj 1 --sets train dev test test_unheard"]
    said = run(recipe, *flags)
    assert "failed" not in said
    tokens = next(recipe.glob("data/en_de_token_list/*/tokens.txt")).read_text("utf-8").splitlines()
    assert {"<self>", "<other>"} <= set(tokens) and len(tokens) == len(set(tokens))
    dumped = recipe / "dump" / "raw" / "test"
    text = read_table(dumped / "text.lc.de")
    assert len(text) == 3 and all(line.startswith(("<self> ", "<other> ")) for line in text.values())
    assert set(read_segments(dumped / "segments.lc.de.jsonl")) == set(text)
    times = read_table(dumped / "word_times")
    assert all(len(times[key].split()) == len(line.split()) for key, line in read_table(dumped / "text.lc.en").items())
    decoded = recipe / "exp" / "st_x" / "decode_st_model_valid.loss.ave_streaming" / "test"
    assert "<" not in (decoded / "text").read_text("utf-8") + (decoded / "src_text").read_text("utf-8")
    scores = json.loads((decoded / "scores.json").read_text("utf-8"))
    for lane, metric in (("transcript", "cpWER"), ("translation", "SAtBLEU")):
        entry = scores["lanes"][lane]["speakers"]
        assert entry["sessions"] == 3 and metric in entry["scores"]
    words = [unit for line in read_table(dumped / "text.lc.en").values() for unit in line.split() if unit[0] != "<"]
    assert scores["lanes"]["transcript"]["quality"]["WER"]["reference_units"] == len(words)
    assert "speakers" in (recipe / "exp" / "st_x" / "RESULTS.md").read_text("utf-8")
    assert " ...\n" not in run(recipe, *flags)  # a second run does nothing
