"""Tiny pretrained encoders with random weights: in folders as transformers saves them, in files as S3PRL reads them."""

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


FAIRSEQ = {
    "encoder_layers": 3,
    "encoder_embed_dim": 32,
    "encoder_ffn_embed_dim": 48,
    "encoder_attention_heads": 4,
    "conv_feature_layers": "[(24,10,5)] + [(24,3,2)] * 4 + [(24,2,2)] * 2",
    "conv_pos": 16,
    "conv_pos_groups": 4,
}
LARGE = {"extractor_mode": "layer_norm", "layer_norm_first": True, "conv_bias": True}
GATED = {"relative_position_embedding": True, "gru_rel_pos": True, "num_buckets": 40, "max_distance": 60}
# name -> upstream of S3PRL, configuration, whether utterances are normalized
ORIGINALS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "wavlm": ("wavlm", FAIRSEQ | GATED, False),
    "wavlm_large": ("wavlm", FAIRSEQ | GATED | LARGE, True),
    "hubert": ("hubert", FAIRSEQ | {"label_rate": 50.0}, False),
    "hubert_large": ("hubert", FAIRSEQ | LARGE | {"label_rate": 50.0}, True),
    "wav2vec2": ("wav2vec2", FAIRSEQ, False),
    "wav2vec2_large": ("wav2vec2", FAIRSEQ | LARGE | {"quantize_targets": True, "latent_dim": 16}, True),
}


def checkpoint(kind: str) -> dict[str, Any]:
    """What a file holds that S3PRL's `UpstreamExpert` of the kind reads."""
    upstream, conf, normalize = ORIGINALS[kind]
    torch.manual_seed(0)
    if upstream == "wavlm":
        from s3prl.upstream.wavlm.WavLM import WavLM, WavLMConfig

        conf = {**conf, "normalize": normalize}
        return {"cfg": conf, "model": _shaken(WavLM(WavLMConfig(conf)))}
    task: dict[str, Any] = {"normalize": normalize, "sample_rate": 16_000}
    found: dict[str, Any] = {"task_cfg": task, "model_cfg": {**conf, "_name": upstream}}
    if upstream == "hubert":
        from s3prl.upstream.hubert.hubert_model import HubertConfig, HubertModel, HubertPretrainingConfig

        symbols = [["a", "b", "c"]]
        model = HubertModel(HubertConfig(**conf), HubertPretrainingConfig(**task), symbols)
        return found | {"model_weight": _shaken(model), "dictionaries_symbols": symbols}
    from s3prl.upstream.wav2vec2.wav2vec2_model import Wav2Vec2Config, Wav2Vec2Model

    return found | {"model_weight": _shaken(Wav2Vec2Model(Wav2Vec2Config(**conf)))}


def _shaken(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.state_dict()


@cache
def original(kind: str) -> str:
    """The file of a checkpoint."""
    path = Path(tiny.FOLDER.name) / f"{kind}.pt"
    torch.save(checkpoint(kind), path)
    return str(path)
