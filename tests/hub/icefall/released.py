"""Released modules' weights, inputs and outputs, and random weights of other sizes under released names."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from espnet_jst.hub.icefall import load_icefall
from espnet_jst.model import JSTModel
from tests.reference import zipformer_weights

GOLDEN = Path(__file__).parents[2] / "golden"
KINDS = ("offline", "causal")
SHARED = {"query_head_dim": 6, "pos_head_dim": 4, "value_head_dim": 5, "pos_dim": 8}
# Other than the golden files': more stacks, an upper encoder that is wider, other head sizes and output rates.
OTHER: dict[str, Any] = {
    "config": {
        "asr": {
            "encoder_dim": [24, 32, 40, 16],
            "feedforward_dim": [32, 48, 64, 32],
            "downsampling_factor": [1, 2, 4, 1],
            "cnn_module_kernel": [7, 5, 9, 3],
            "num_heads": [2, 3, 4, 1],
            "num_encoder_layers": [1, 2, 1, 1],
        },
        "st": {
            "encoder_dim": [16, 48],
            "feedforward_dim": [32, 40],
            "downsampling_factor": [2, 1],
            "cnn_module_kernel": [5, 3],
            "num_heads": [3, 2],
            "num_encoder_layers": [2, 1],
        },
    },
    "shared": SHARED,
    "asr_output_downsampling": 4,
    "st_output_downsampling": 2,
    "causal": True,
    "chunk_frames": 8,
    "left_context_frames": 16,
    "vocab_asr": 11,
    "vocab_st": 13,
    "predictor_dim": 12,
    "joiner_dim": 10,
}


@cache
def golden(kind: str) -> tuple[dict[str, Any], dict[str, Tensor], dict[str, Tensor]]:
    """Sizes, weights, and inputs and outputs. Leave them as they are."""
    sizes = json.loads((GOLDEN / f"hent_srt_a_{kind}.json").read_text(encoding="utf-8"))
    tensors = load_file(GOLDEN / f"hent_srt_a_{kind}.safetensors")
    state = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    return sizes, state, tensors


@cache
def golden_model(kind: str) -> JSTModel:
    """The model of a golden file. Leave it as it is."""
    sizes, state, _ = golden(kind)
    return load_icefall(state, sizes)


def other(seed: int = 0, **changes: Any) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and random weights of another model."""
    sizes = {**copy.deepcopy(OTHER), **changes}
    return sizes, zipformer_weights.random_weights(zipformer_weights.hent_srt(sizes), seed)


def asr_only(sizes: dict[str, Any], state: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a training of the recognizer leaves: the additive joiner of a translation stands in it already."""
    config = {"asr": sizes["config"]["asr"]}
    known = {key: value for key, value in sizes.items() if key not in ("vocab_st", "st_output_downsampling")}
    kept = {name: value for name, value in state.items() if not name.startswith("st_")}
    return {**known, "config": config}, kept
