"""A corpus of tones that trains in seconds: each source word is a pitch, its translation follows word by word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

FS = 8000
WORDS = {"one": ("eins", 400), "two": ("zwei", 800), "three": ("drei", 1600)}
TOKENS = ["<blank>", "<unk>", "<asr>", "<st>", *WORDS, *(german for german, _ in WORDS.values()), "<sos/eos>"]
HEADS = {
    "joint": {
        "kind": "transducer",
        "lanes": ["transcript", "translation"],
        "predictor_conf": {"size": 16},
        "joint_size": 16,
    }
}


def make_corpus(root: Path, *, train: int = 12, valid: int = 4) -> Path:
    """Data of two sets in `root`/train and `root`/valid, a token list, and feature statistics."""
    rng = np.random.RandomState(0)
    for name, count in (("train", train), ("valid", valid)):
        folder = root / name
        folder.mkdir(parents=True)
        tables: dict[str, list[str]] = {"wav.scp": [], "text": [], "src_text": [], "alignment": [], "shape": []}
        for number in range(count):
            source = [list(WORDS)[i] for i in rng.randint(0, 3, size=1 + number % 3)]
            audio = np.concatenate([tone(WORDS[word][1], rng) for word in source])
            soundfile.write(folder / f"{name}{number}.wav", audio, FS)
            row = {
                "wav.scp": folder / f"{name}{number}.wav",
                "text": " ".join(WORDS[word][0] for word in source),
                "src_text": " ".join(source),
                "alignment": " ".join(f"{i}-{i}" for i in range(len(source))),
                "shape": len(audio),
            }
            for key, value in row.items():
                tables[key].append(f"{name}{number} {value}\n")
        for key, lines in tables.items():
            (folder / key).write_text("".join(lines), encoding="utf-8")
    (root / "tokens.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    np.savez(root / "feats_stats.npz", count=np.array(100), sum=-900.0 * np.ones(16), sum_square=9000.0 * np.ones(16))
    return root


def config(root: Path, **changes: Any) -> dict[str, Any]:
    """Configuration of a model of a few thousand parameters with dropout, SpecAugment and augmentation."""
    files = (("wav.scp", "speech", "sound"), ("text", "text", "text"), ("src_text", "src_text", "text"))
    data = [*files, ("alignment", "alignment", "text")]
    values: dict[str, Any] = {
        "frontend": "log_mel",
        "frontend_conf": {"fs": FS, "n_mels": 16},
        "specaug": "specaug",
        "specaug_conf": {"apply_time_warp": False, "freq_mask_width_range": [0, 4], "time_mask_width_range": [0, 3]},
        "normalize": "running_mvn",
        "normalize_conf": {"stats_file": str(root / "feats_stats.npz")},
        "encoder": "chunk_conformer",
        "encoder_conf": {
            "size": 16, "layers": 1, "heads": 2, "feed_forward_size": 24, "kernel_size": 3, "subsampling": 4,
            "subsampling_channels": [4, 8], "train_chunk_frames": [2, 4, 0],
        },
        "model_conf": {"heads": HEADS},
        "preprocessor_conf": {"gain_db": [-6, 0], "noise_prob": 0.5, "speed": [0.9, 1.1], "speed_prob": 0.5},
        "token_list": str(root / "tokens.txt"),
        "token_type": "word",
        "train_data_path_and_name_and_type": [[str(root / "train" / f), n, t] for f, n, t in data],
        "valid_data_path_and_name_and_type": [[str(root / "valid" / f), n, t] for f, n, t in data],
        "train_shape_file": [str(root / "train" / "shape")],
        "valid_shape_file": [str(root / "valid" / "shape")],
        "batch_type": "sorted",
        "batch_size": 4,
        "optim": "adamw",
        "optim_conf": {"lr": 0.003},
        "scheduler": "warmupcosine",
        "max_epoch": 3,
        "keep_nbest_models": [2],
        "num_workers": 0,
        "use_tensorboard": False,
        "use_matplotlib": False,
    }  # fmt: skip
    return values | changes


def write_config(root: Path, name: str = "train.yaml", **changes: Any) -> Path:
    """The configuration as a file."""
    path = root / name
    path.write_text(json.dumps(config(root, **changes)), encoding="utf-8")  # YAML without aliases, which are refused
    return path


def tone(hertz: float, rng: np.random.RandomState) -> np.ndarray:
    """A word: its pitch for 0.12 to 0.16 s, a little noise in it."""
    t = np.arange(int(FS * (0.12 + 0.04 * rng.rand()))) / FS
    return 0.3 * np.sin(2 * np.pi * hertz * t) + 0.01 * rng.randn(len(t))
