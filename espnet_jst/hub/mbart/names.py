"""Where a weight of ours stands in an mBART."""

from __future__ import annotations

import re

# Of a layer of the encoder, and of one of the decoder, whose names are ESPnet's.
_ENCODER = {
    "attention_norm": "self_attn_layer_norm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "output": "self_attn.out_proj",
    "feed_forward_norm": "final_layer_norm",
    "feed_forward.0": "fc1",
    "feed_forward.2": "fc2",
}
_ATTENTION = {"linear_q": "q_proj", "linear_k": "k_proj", "linear_v": "v_proj", "linear_out": "out_proj"}
_DECODER = {
    "norm1": "self_attn_layer_norm",
    "norm2": "encoder_attn_layer_norm",
    "norm3": "final_layer_norm",
    "feed_forward.w_1": "fc1",
    "feed_forward.w_2": "fc2",
    **{f"self_attn.{ours}": f"self_attn.{theirs}" for ours, theirs in _ATTENTION.items()},
    **{f"src_attn.{ours}": f"encoder_attn.{theirs}" for ours, theirs in _ATTENTION.items()},
}
_TOP = {
    "encoder.positions": "model.encoder.embed_positions.weight",
    "encoder.input_norm": "model.encoder.layernorm_embedding",
    "encoder.norm": "model.encoder.layer_norm",
    "decoder.embed.positions": "model.decoder.embed_positions.weight",
    "decoder.embed.norm": "model.decoder.layernorm_embedding",
    "decoder.after_norm": "model.decoder.layer_norm",
}
_LAYER = re.compile(r"(encoder\.layers|decoder\.decoders)\.(\d+)\.(.+)\.(weight|bias)")


def mbart_name(name: str) -> str | None:
    """The weight of an mBART that one of ours is.

    Args:
        name: of a part of the encoder (`encoder.norm.bias`) or of the attention head (`decoder.after_norm.bias`).

    Returns:
        None for what is made of rows of the embedding, or is nothing of mBART's.
    """
    if found := _LAYER.fullmatch(name):
        part, number, inner, kind = found.groups()
        theirs = (_ENCODER if part == "encoder.layers" else _DECODER).get(inner)
        return theirs and f"model.{part.split('.')[0]}.layers.{number}.{theirs}.{kind}"
    if name in _TOP:
        return _TOP[name]
    stem, _, kind = name.rpartition(".")
    return f"{_TOP[stem]}.{kind}" if stem in _TOP else None
