"""docs/your_corpus.md on the recordings of ESPnet's mini_an4: one command to a pack, one to train it further."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from espnet_jst.data.kaldi import write_table
from espnet_jst.hub.load import resolve
from espnet_jst.hub.safe_archive import file_sha256
from espnet_jst.weights import read_weights

ROOT = Path(__file__).resolve().parents[2]
TARBALL = ROOT.parent / "shared" / "data" / "mini_an4" / "downloads.tar.gz"
ENGLISH = "eleven twenty seven fifty october four nineteen seventy yes go march third eight start seventeen one"
TRANSLATION = "elf zwanzig sieben fünfzig oktober vier neunzehn siebzig ja los märz dritter acht start siebzehn eins"
GERMAN = dict(zip(ENGLISH.split(" "), TRANSLATION.split(" "), strict=True))
SHARED = {"batch_type": "sorted", "batch_size": 2, "max_epoch": 1, "keep_nbest_models": 1, "num_workers": 0}
SMALL = {
    "base": str(ROOT / "conf" / "tsot.yaml"),
    "encoder_conf": {"size": 16, "layers": 1, "feed_forward_size": 16, "taps": [1]},
    "model_conf": {"heads": {"ctc": {"reads": "encoder.1"}}},
    **SHARED,
}
FURTHER = {"optim": "adamw", "optim_conf": {"lr": 1.0e-4}, "scheduler": "warmupcosine", **SHARED}


def recipe(folder: Path, *options: str) -> str:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "espnet_jst.bin.cli", "recipe", "--src_lang", "en", "--tgt_lang", "de"]
    command += ["--nbpe", "40", "--corpus_dir", "../mine", "--valid_share", "0.15", "--test_share", "0.15", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JST_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def prepare(root: Path) -> None:
    with tarfile.open(TARBALL) as archive:
        archive.extractall(root, filter="data")
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "text.lc.en": {}, "text.lc.de": {}}
    for part in ("train", "test"):
        for line in (root / f"downloads/an4/etc/an4_{part}.transcription").read_text().splitlines():
            text, key = re.findall(r"([^<>()]+?) (?:</s> )?\(([\w-]+)\)", line)[0]
            words = text.strip().lower().split()
            tables["wav.scp"][key] = str(next(root.rglob(f"{key}.sph")))
            tables["text.lc.en"][key] = " ".join(words)
            tables["text.lc.de"][key] = " ".join(GERMAN.get(word, word) for word in words)
    for name, table in tables.items():
        write_table(root / "mine" / name, table)


@pytest.mark.slow
@pytest.mark.skipif(not TARBALL.exists(), reason="mini_an4 is not here")
def test_a_directory_becomes_a_pack_and_the_pack_is_trained_further(tmp_path: Path) -> None:
    prepare(tmp_path)
    for name, values in (("small", SMALL), ("further", FURTHER)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
    recipe(tmp_path / "first", "--st_config", "../small.yaml", "--st_tag", "mine")
    pack = tmp_path / "first" / "exp" / "st_mine" / "st_mine_valid.loss.ave.zip"
    before = file_sha256(pack)
    recipe(
        *(tmp_path / "second", "--st_config", "../further.yaml", "--st_tag", "further", "--finetune", str(pack)),
        *("--stop_stage", "11"),
    )
    config = yaml.safe_load((tmp_path / "second" / "exp" / "st_further" / "config.yaml").read_text())
    assert config["encoder_conf"]["size"] == 16 and config["optim_conf"]["lr"] == 1.0e-4
    first = read_weights(resolve(pack, cache_dir=tmp_path / "cache")["st_model_file"])
    second = read_weights(tmp_path / "second" / "exp" / "st_further" / "valid.loss.ave.pth")
    assert set(first) == set(second)
    moved = max(float((first[key].float() - second[key].float()).abs().max()) for key in first)
    assert 0 < moved < 0.01  # a few steps of a small rate away from the pack, not from random weights
    assert file_sha256(pack) == before
