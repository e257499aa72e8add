"""Checkpoints in the names of fairseq: WavLM's as Microsoft gives them, HuBERT's and wav2vec 2.0's as S3PRL does; and
those of ESPnet's own self-supervised task.

Sizes and weights of the first become those of transformers, so that such a model is the same encoder as one from a
folder.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet_jst.config import shown
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.inputs.pretrained import espnet_ssl
from espnet_jst.inputs.pretrained.architecture import Architecture
from espnet_jst.weights import safe_load

CONVERTED = ("task_cfg", "model_cfg", "model_weight")  # what s3prl.upstream.{hubert,wav2vec2}.convert writes
MOST_CONVOLUTIONS = 64
EPSILON = 1e-5  # of the layer norm with which fairseq and S3PRL normalize an utterance
ADVICE = "take the model as transformers saves it, or as S3PRL converts it (s3prl.upstream.hubert.convert)"
# Their beginnings of names -> those of transformers.
NAMES = [
    (re.compile(theirs), ours)
    for theirs, ours in (
        (r"feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
        (r"feature_extractor\.conv_layers\.(\d+)\.2\.(1\.)?", r"feature_extractor.conv_layers.\1.layer_norm."),
        (r"layer_norm\.", "feature_projection.layer_norm."),
        (r"post_extract_proj\.", "feature_projection.projection."),
        (r"encoder\.pos_conv\.0\.weight_g$", "encoder.pos_conv_embed.conv.parametrizations.weight.original0"),
        (r"encoder\.pos_conv\.0\.weight_v$", "encoder.pos_conv_embed.conv.parametrizations.weight.original1"),
        (r"encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
        (r"(encoder\.layers\.\d+\.)self_attn_layer_norm\.", r"\1layer_norm."),
        (r"(encoder\.layers\.\d+\.)fc1\.", r"\1feed_forward.intermediate_dense."),
        (r"(encoder\.layers\.\d+\.)fc2\.", r"\1feed_forward.output_dense."),
        (r"(encoder\.layers\.\d+\.)self_attn\.grep_a$", r"\1attention.gru_rel_pos_const"),
        (r"(encoder\.layers\.\d+\.)self_attn\.grep_linear\.", r"\1attention.gru_rel_pos_linear."),
        (r"(encoder\.layers\.\d+\.)self_attn\.relative_attention_bias\.", r"\1attention.rel_attn_embed."),
        (r"(encoder\.layers\.\d+\.)self_attn\.", r"\1attention."),
    )
]


def read_original(path: str) -> tuple[Architecture, dict[str, Tensor]]:
    """What a checkpoint is, and its weights by the names of transformers. Nothing in the file is executed.

    Raises:
        ConfigError: it is none of these, or computes something that the encoders here do not.
        CheckpointError: it is damaged, or holds objects of other programs.
    """
    where = f"model {path}"
    try:
        state = safe_load(path)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; or {ADVICE}") from error
    source = path.replace("\\", "/").rpartition("/")[2]
    if espnet_ssl.is_espnet(Path(path)):
        said = {"kind": espnet_ssl.KIND, "normalize": False, "sizes": espnet_ssl.sizes_of(Path(path)), "source": source}
        return Architecture.read(said, where), state
    kind, conf, normalize, weights = _parts(state, where)
    sizes = _sizes(kind, conf, where)
    found = {_renamed(str(name)): value for name, value in weights.items() if isinstance(value, Tensor)}
    said = {"kind": kind, "normalize": normalize, "sizes": sizes, "source": source, "epsilon": EPSILON}
    return Architecture.read(said, where), found


def _parts(state: Any, where: str) -> tuple[str, Mapping[str, Any], bool, Mapping[str, Any]]:
    """Kind, configuration, whether utterances are normalized, weights."""
    state = state if isinstance(state, Mapping) else {}
    if all(isinstance(state.get(name), Mapping) for name in CONVERTED):
        conf = state["model_cfg"]
        kind = "hubert" if "dictionaries_symbols" in state else "wav2vec2"
        if conf.get("_name", kind) != kind:
            raise ConfigError(f"{where} is a {shown(conf['_name'])}, not a {kind}: it is not known here")
        return kind, conf, bool(state["task_cfg"].get("normalize", False)), state["model_weight"]
    conf, weights = state.get("cfg"), state.get("model")
    if isinstance(conf, Mapping) and isinstance(weights, Mapping) and "encoder_layers" in conf:
        if not (conf.get("relative_position_embedding") and conf.get("gru_rel_pos")):
            raise ConfigError(
                f"{where} is no WavLM: it has no gated relative positions, which no other kind lacks here"
            )
        return "wavlm", conf, bool(conf.get("normalize", False)), weights
    raise ConfigError(f"{where} is no checkpoint of WavLM, nor of HuBERT or wav2vec 2.0 as S3PRL has them: {ADVICE}")


def _sizes(kind: str, conf: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A configuration of fairseq in the words of transformers; what is not said has fairseq's default."""
    for name, known in (
        ("layer_type", ("transformer",)),
        ("extractor_mode", ("default", "layer_norm")),
        ("activation_fn", ("gelu", "relu")),
        ("pos_conv_depth", (1,)),
        ("quantize_input", (False,)),
    ):
        if conf.get(name, known[0]) not in known:
            raise ConfigError(
                f"{where}: {name} is {shown(conf[name])}, and only {' or '.join(map(str, known))} is known here"
            )
    convolutions = _convolutions(conf.get("conv_feature_layers", "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"))
    if convolutions is None:
        raise ConfigError(f"{where}: conv_feature_layers is {shown(conf['conv_feature_layers'])}: no list of sizes")
    channels, kernels, strides = (list(values) for values in zip(*convolutions, strict=True))
    sizes = {
        "hidden_size": conf.get("encoder_embed_dim", 768),
        "num_hidden_layers": conf.get("encoder_layers", 12),
        "num_attention_heads": conf.get("encoder_attention_heads", 12),
        "intermediate_size": conf.get("encoder_ffn_embed_dim", 3072),
        "hidden_act": conf.get("activation_fn", "gelu"),
        "layer_norm_eps": 1e-5,
        "feat_extract_norm": "layer" if conf.get("extractor_mode") == "layer_norm" else "group",
        "feat_extract_activation": "gelu",
        "conv_dim": channels,
        "conv_kernel": kernels,
        "conv_stride": strides,
        "conv_bias": conf.get("conv_bias", False),
        "num_conv_pos_embeddings": conf.get("conv_pos", 128),
        "num_conv_pos_embedding_groups": conf.get("conv_pos_groups", 16),
        "do_stable_layer_norm": conf.get("layer_norm_first", False),
    }
    if kind == "wavlm":
        sizes |= {"num_buckets": conf.get("num_buckets", 320), "max_bucket_distance": conf.get("max_distance", 1280)}
    return sizes


def _convolutions(text: Any) -> list[tuple[int, int, int]] | None:
    """(channels, kernel, stride) of each, from an expression such as "[(512,10,5)] + [(512,3,2)] * 4", which fairseq
    evaluates; None for anything else."""

    def value(node: ast.expr) -> list[Any]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return value(node.left) + value(node.right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            times = ast.literal_eval(node.right)
            if type(times) is not int or not 0 <= times <= MOST_CONVOLUTIONS:
                raise ValueError(f"times {times}")
            return (value(node.left) * times)[: MOST_CONVOLUTIONS + 1]
        return list(ast.literal_eval(node))

    try:
        if len(text) > 1000:
            return None
        found = value(ast.parse(text.strip(), mode="eval").body)
    except (ValueError, TypeError, SyntaxError, AttributeError, RecursionError, MemoryError):
        return None
    whole = all(
        isinstance(row, tuple) and len(row) == 3 and all(type(n) is int and n > 0 for n in row) for row in found
    )
    return found if whole and 0 < len(found) <= MOST_CONVOLUTIONS else None


def _renamed(name: str) -> str:
    for theirs, ours in NAMES:
        if theirs.match(name):
            return theirs.sub(ours, name, count=1)
    return name
