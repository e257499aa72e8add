"""Tiny pretrained encoders with random weights, in folders as transformers saves them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.inference import tiny

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [24] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
WHISPER = {
    "d_model": 32,
    "encoder_layers": 3,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "vocab_size": 20,
    "num_mel_bins": 20,
    "max_source_positions": 100,
    **{key: 1 for key in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")},
}
# name -> class in transformers, sizes, whether utterances are normalized
KINDS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "wav2vec2": ("Wav2Vec2", SIZES, True),
    "hubert": ("Hubert", SIZES, False),
    "hubert_norm": ("Hubert", {**SIZES, "conv_pos_batch_norm": True}, False),
    "hubert_large": ("Hubert", SIZES | STABLE, True),
    "wavlm": ("WavLM", SIZES, False),
    "wavlm_large": ("WavLM", SIZES | STABLE, True),
    "whisper": ("Whisper", WHISPER, False),
}


@cache
def saved(kind: str) -> str:
    """The folder of a model."""
    name, sizes, normalize = KINDS[kind]
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    folder = Path(tiny.FOLDER.name) / kind
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalize}))
    return str(folder)
