"""A text transducer that has learnt to translate numbers, trained in seconds: one two -> eins zwei."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.inference import tiny
from tests.training.corpus import config

WORDS = {"one": "eins", "two": "zwei", "three": "drei"}
INPUTS = {"src_text": {"kind": "tokens", "repeat": 4, "places": True, "into": "encoder"}}
HEAD = {
    "kind": "transducer", "lanes": ["translation"], "predictor": "stateless", "predictor_conf": {"size": 24},
    "joint_size": 24,
}  # fmt: skip
ENCODER = {
    "size": 24, "layers": 1, "heads": 2, "feed_forward_size": 48, "kernel_size": 3, "subsampling": 1, "dropout": 0.0,
    "chunk_frames": 8, "left_chunks": 4, "train_chunk_frames": [8, 0],
}  # fmt: skip
SPEECH_ONLY = ("frontend", "frontend_conf", "specaug", "specaug_conf", "normalize", "normalize_conf")


def lines(count: int, seed: int) -> list[str]:
    """Random numbers, 1 to 8 a line."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice([*WORDS], size=1 + number % 8)) for number in range(count)]


def translated(line: str) -> str:
    """What the model has to write."""
    return " ".join(WORDS[word] for word in line.split())


def make_text_corpus(root: Path) -> Path:
    """Texts of two sets, their lengths, and token lists."""
    for name, count in (("train", 160), ("valid", 16)):
        folder = root / name
        folder.mkdir(parents=True)
        table = {f"{name}{number:03}": line for number, line in enumerate(lines(count, len(name)))}
        files = {"src_text": table, "text": {key: translated(line) for key, line in table.items()}}
        files["words"] = {key: str(len(line.split())) for key, line in table.items()}
        for file, rows in files.items():
            (folder / file).write_text("".join(f"{key} {value}\n" for key, value in rows.items()), encoding="utf-8")
    for name, tokens in (("tokens.txt", tiny.TARGET), ("src_tokens.txt", tiny.SOURCE)):
        (root / name).write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return root


def text_config(root: Path, **changes: Any) -> Path:
    """The configuration of a training on it, as a file."""
    values = config(root)
    for name in SPEECH_ONLY:
        del values[name]
    for side in ("train", "valid"):
        rows = [[str(root / side / name), name, "text"] for name in ("src_text", "text")]
        values[f"{side}_data_path_and_name_and_type"] = rows
        values[f"{side}_shape_file"] = [str(root / side / "words")]
    values |= {
        "input_size": 24,
        "encoder_conf": ENCODER,
        "model_conf": {"heads": {"st": HEAD}, "inputs": INPUTS},
        "src_token_list": str(root / "src_tokens.txt"),
        "src_token_type": "word",
        "batch_size": 8,
        "optim_conf": {"lr": 0.01},
        "max_epoch": 5,
        "keep_nbest_models": [1],
        "preprocessor_conf": {},
    }
    path = root / "text.yaml"
    path.write_text(json.dumps(values | changes), encoding="utf-8")
    return path


def train(root: Path, **changes: Any) -> Path:
    """An experiment in `root`/exp."""
    from espnet_jst.tasks.jst import JSTTask

    JSTTask.main(cmd=["--config", str(text_config(root, **changes)), "--output_dir", str(root / "exp")])
    return root / "exp"
