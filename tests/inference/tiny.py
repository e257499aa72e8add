"""Tiny models with random weights, and speech-like noise to run them on."""

from __future__ import annotations

import argparse
import copy
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from espnet_jst.heads.attention import AttentionHead
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.inference import Speech2Text
from espnet_jst.model import JSTModel
from espnet_jst.search.greedy import GreedySearch
from espnet_jst.taps import Tap

FOLDER = tempfile.TemporaryDirectory()
TARGET = ["<blank>", "<unk>", "<asr>", "<st>", "one", "two", "three", "eins", "zwei", "drei", "und", "<sos/eos>"]
SOURCE = ["<blank>", "<unk>", "one", "two", "three", "<sos/eos>"]
PIECES = ["<blank>", "<unk>", "<asr>", "<st>", "▁on", "▁tw", "▁thr", "▁ein", "▁zw", "e", "o", "s", "<sos/eos>"]

ENCODER = {
    "size": 32,
    "layers": 2,
    "heads": 2,
    "feed_forward_size": 48,
    "kernel_size": 5,
    "subsampling": 8,
    "chunk_frames": 4,
    "left_chunks": 2,
    "taps": [1],
}
UPPER = {**ENCODER, "layers": 1, "subsampling": 1, "taps": [], "chunk_frames": 8}
# The same frames and chunks: 80 ms and four of them, of the upper one, which reads frames of 20 ms, eight.
ZIPFORMER = {
    "layers": [1, 1, 1],
    "sizes": [16, 32, 24],
    "unmasked_sizes": [16, 16, 16],
    "downsampling": [1, 2, 4],
    "feed_forward_sizes": [24, 48, 32],
    "heads": [1, 2, 2],
    "kernel_sizes": [7, 5, 5],
    "query_head_size": 8,
    "pos_size": 12,
    "subsampling_channels": [4, 8, 8],
    "output_subsampling": 4,
    "chunk_frames": 4,
    "left_chunks": 2,
    "train_chunk_frames": [4, 8],
    "train_left_frames": [8],
}
ZIPFORMER_UPPER = {
    **ZIPFORMER,
    "layers": [1],
    "sizes": [24],
    "unmasked_sizes": [16],
    "downsampling": [2],
    "feed_forward_sizes": [32],
    "heads": [2],
    "kernel_sizes": [5],
    "subsampling": 1,
    "chunk_frames": 8,
    "train_chunk_frames": [8, 16],
}
LAST_STACK = "encoder.last_stack"

SERIALIZED = {
    "joint": {"kind": "transducer", "lanes": ["transcript", "translation"], "predictor_conf": {"size": 24}},
    "ctc": {"kind": "ctc", "reads": "encoder.1", "lanes": ["transcript"]},
}
TWO_HEADS = {
    "asr": {"kind": "transducer", "lanes": ["transcript"], "predictor_conf": {"size": 24}},
    "ctc": {"kind": "ctc", "lanes": ["transcript"]},
    "st": {
        "kind": "transducer",
        "reads": "hier_encoder",
        "lanes": ["translation"],
        "predictor": "stateless",
        "predictor_conf": {"size": 24},
    },
}


@cache
def stats_file(size: int) -> str:
    """What collect_stats leaves: here a mean of -9 and a standard deviation of 3 for every band."""
    path = Path(FOLDER.name) / f"feats_stats.{size}.npz"
    ones = np.ones(size)
    np.savez(path, count=np.array(100), sum=-900.0 * ones, sum_square=9000.0 * ones)
    return str(path)


def config(
    heads: dict[str, Any], *, two_encoders: bool = False, zipformer: bool = False, fs: int = 8000
) -> dict[str, Any]:
    """A training configuration as YAML would hold it; on Zipformers the last stack is what is read below the top."""
    if zipformer:
        below = {name: {"reads": LAST_STACK} for name, head in heads.items() if "." in head.get("reads", "")}
        heads = {name: head | below.get(name, {}) for name, head in heads.items()}
    conf = {
        "frontend": "log_mel",
        "frontend_conf": {"fs": fs, "n_mels": 20},
        "normalize": "running_mvn",
        "normalize_conf": {"stats_file": stats_file(20), "prior_frames": 20.0, "half_life_frames": 50.0},
        "encoder": "zipformer" if zipformer else "chunk_conformer",
        "encoder_conf": dict(ZIPFORMER if zipformer else ENCODER),
        "model_conf": {"heads": heads},
        "token_list": TARGET,
        "token_type": "word",
        "src_token_list": SOURCE,
        "src_token_type": "word",
    }
    if two_encoders:
        conf |= {"hier_encoder": conf["encoder"], "hier_encoder_conf": dict(ZIPFORMER_UPPER if zipformer else UPPER)}
    if two_encoders and zipformer:
        conf["model_conf"]["hier_reads"] = LAST_STACK
    return conf


def packet(samples: torch.Tensor, fs: int = 8000) -> Tap:
    """(B, n) samples, all of them valid, for `JSTModel.step`."""
    return Tap(samples, torch.full((samples.size(0),), samples.size(1)), 1 / fs)


@torch.no_grad()
def liven(model: JSTModel, *, rate: float = 0.5, seed: int = 0) -> JSTModel:
    """Random weights write nothing or always the same: make the joint networks listen, and `rate` symbols a frame."""
    generator = torch.Generator().manual_seed(seed)
    if model.speech is None:
        audio = torch.randint(2, 5, (1, 40), generator=generator)
    else:
        audio = torch.from_numpy(speech(5.0, fs=model.fs, seed=99))[None]
    first = model.tgt_langs.codes[:1] if model.tgt_langs else ()
    taps = model.eval().encode(audio, torch.tensor([audio.size(1)]), tgt_langs=first)
    for name, head in model.heads.items():
        if not isinstance(head, TransducerHead):
            output = head.decoder.output_layer if isinstance(head, AttentionHead) else head.output
            output.weight.mul_(8.0)
            continue
        tap, joint = taps[model.specs[name].reads], head.joint
        for layer in (joint.encoder_proj, joint.predictor_proj, joint.output):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) / layer.weight.size(1) ** 0.5)
        x = tap.x[0]
        joint.encoder_proj.weight.mul_(1.5 / (x - x.mean(0)).std())
        joint.encoder_proj.bias.copy_(-joint.encoder_proj.weight @ x.mean(0))
        joint.predictor_proj.weight.mul_(8.0)
        joint.output.weight.mul_(6.0)
        low, high = -20.0, 20.0
        for _ in range(12):
            joint.output.bias[head.blank] = (low + high) / 2
            search = GreedySearch(head, max_symbols=4)
            [emissions], _ = search.step({search.reads: tap}, search.init_state(1))
            low, high = ((low + high) / 2, high) if len(emissions) > rate * len(x) else (low, (low + high) / 2)
    return model


def tiny_model(conf: dict[str, Any], *, seed: int = 0, rate: float = 0.5) -> tuple[JSTModel, argparse.Namespace]:
    """A model through JSTTask.build_model, with lively random weights, and its arguments. Leave its weights alone."""
    model, args = _tiny_model(yaml.safe_dump(conf), seed, rate)
    return model, copy.deepcopy(args)


@cache
def _tiny_model(conf: str, seed: int, rate: float) -> tuple[JSTModel, argparse.Namespace]:
    from espnet_jst.tasks.jst import JSTTask

    torch.manual_seed(seed)
    args = JSTTask.get_parser().parse_args([])
    for key, value in yaml.safe_load(conf).items():
        setattr(args, key, value)
    return liven(JSTTask.build_model(args), seed=seed, rate=rate), args


def speech(seconds: float, *, fs: int = 8000, seed: int = 0) -> np.ndarray:
    """Noise whose loudness and colour change like syllables, float32."""
    rng = np.random.default_rng(seed)
    count = int(seconds * fs)
    time = np.arange(count) / fs
    carrier = np.sin(2 * np.pi * np.cumsum(300 + 250 * np.sin(2 * np.pi * 1.3 * time + seed)) / fs)
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * 3.1 * time + rng.uniform(0, 6))
    return (0.3 * envelope * carrier + 0.01 * rng.standard_normal(count)).astype(np.float32)


def save(model: JSTModel, args: argparse.Namespace, folder: Path) -> dict[str, str]:
    """config.yaml and weights as training leaves them; the arguments of Speech2Text."""
    folder.mkdir(parents=True, exist_ok=True)
    if args.normalize_conf:
        shutil.copyfile(args.normalize_conf["stats_file"], folder / "feats_stats.npz")
        args.normalize_conf["stats_file"] = "feats_stats.npz"
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)), encoding="utf-8")
    torch.save(model.state_dict(), folder / "valid.loss.ave.pth")
    return {"st_train_config": str(folder / "config.yaml"), "st_model_file": str(folder / "valid.loss.ave.pth")}


def speech2text(conf: dict[str, Any], **options: Any) -> Speech2Text:
    """Speech2Text on a tiny model in memory."""
    return Speech2Text.from_model(*tiny_model(conf), **options)
