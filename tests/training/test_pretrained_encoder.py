"""A Whisper that is trained further: from its folder to a model of its own files, with a slower encoder, resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from espnet_jst.inference import Speech2Text
from espnet_jst.tasks.jst import JSTTask
from espnet_jst.weights import safe_load
from tests.inputs.pretrained_models import WHISPER, saved
from tests.training.corpus import FS, config, make_corpus


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def train(root: Path, *flags: str) -> Path:
    values = config(root) | {
        "frontend": "whisper_mel",
        "frontend_conf": {"fs": FS, "n_mels": WHISPER["num_mel_bins"]},
        "normalize": None,
        "normalize_conf": {},
        "encoder": "chunk_whisper",
        "encoder_conf": {"model": saved("whisper"), "layers": 2, "taps": [1], "output_subsampling": 2},
        "lr_factors": {"encoder": 0.1, "encoder.output": 1.0},
        "optim": "adamw",
        "optim_conf": {"lr": 0.01},
        "max_epoch": 1,
        "num_iters_per_epoch": 3,
    }
    (root / "whisper.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    exp = root / "exp"
    JSTTask.main(cmd=["--config", str(root / "whisper.yaml"), "--output_dir", str(exp), *flags])
    return exp


def test_a_whisper_is_trained_further_and_needs_its_folder_no_more(root: Path) -> None:
    exp = train(root)
    written = yaml.safe_load((exp / "config.yaml").read_text(encoding="utf-8"))["encoder_conf"]
    assert written["model"] is None and (written["size"], written["layers"]) == (WHISPER["d_model"], 2)
    groups = safe_load(exp / "checkpoint.pth")["optimizers"][0]["param_groups"]
    assert sorted(group["initial_lr"] for group in groups) == pytest.approx([0.001, 0.01])
    Speech2Text.from_pretrained(exp)
    train(root, "--max_epoch", "2", "--resume", "true")
    assert (exp / "2epoch.pth").exists()
