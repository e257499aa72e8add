"""A corpus of spoken digits with their transcripts: real speech, of the recipe's own recordings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from espnet_jst.data.kaldi import write_table

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "egs2" / "fsdd_digits" / "jst1" / "corpus"
FS = 8000
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SMALL: dict[str, Any] = {
    "frontend_conf": {"fs": 8000, "n_mels": 20, "hop_s": 0.01},
    "encoder": "chunk_conformer",
    "encoder_conf": {"size": 16, "layers": 1, "heads": 2, "feed_forward_size": 16, "subsampling": 4},
    "batch_type": "sorted",
    "batch_size": 8,
    "max_epoch": 1,
    "keep_nbest_models": 1,
    "num_workers": 0,
}


def make_corpus(folder: Path, text: str, count: int = 60) -> None:
    """A data directory of `count` utterances of one to three digits, and their transcripts in the file `text`."""
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "segments": {}, text: {}}
    rows = [line.split("\t") for line in (CORPUS / "segments.tsv").read_text("utf-8").splitlines()[1:]]
    for number in range(count):
        first = number * len(rows) // count
        said = rows[first : first + 1 + number % 3]  # neighbours in one file
        key, speaker = said[0][:2]
        tables["wav.scp"][speaker] = str(CORPUS / f"{speaker}.flac")
        tables["segments"][key] = f"{speaker} {int(said[0][4]) / FS} {int(said[-1][5]) / FS}"
        tables[text][key] = " ".join(NAMES[int(row[2])] for row in said)
    for name, table in tables.items():
        write_table(folder / name, table)


def write_config(path: Path, **values: Any) -> None:
    """A training configuration of a very small model."""
    path.write_text(yaml.safe_dump({**SMALL, **values}), encoding="utf-8")


def recipe(folder: Path, *options: str) -> str:
    """Run a recipe in a folder; returns what it says."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JST_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "espnet_jst.bin.cli", "recipe", "--nj", "1", "--inference_nj", "1", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
