"""The names of released weights, and what stands under them in a model of this package."""

from __future__ import annotations

import re
from collections.abc import Mapping

FRONT_END = {
    "conv1": "conv.0",
    "conv2": "conv.4",
    "conv3": "conv.7",
    "depthwise": "convnext.depthwise_conv",
    "pointwise1": "convnext.pointwise_conv1",
    "pointwise2": "convnext.pointwise_conv2",
    "output": "out",
    "norm": "out_norm",
}
# Parts of a layer, ours -> released; where the released name is longer, the last word is the parameter itself.
LAYER = {
    "weights.project": "self_attn_weights.in_proj",
    "weights.pos": "self_attn_weights.linear_pos",
    "nonlinear.project": "nonlin_attention.in_proj",
    "nonlinear.output": "nonlin_attention.out_proj",
    "norm": "norm",
    "middle.scale": "bypass_mid.bypass_scale",
    "bypass.scale": "bypass.bypass_scale",
} | {
    ours.replace("#", number): released.replace("#", number)
    for ours, released, numbers in (
        ("attention#.value", "self_attn#.in_proj", "12"),
        ("attention#.output", "self_attn#.out_proj", "12"),
        ("conv#.gate", "conv_module#.in_proj", "12"),
        ("conv#.output", "conv_module#.out_proj", "12"),
        ("conv#.conv.causal", "conv_module#.depthwise_conv.causal_conv", "12"),
        ("conv#.conv.inside", "conv_module#.depthwise_conv.chunkwise_conv", "12"),
        ("conv#.conv.edges", "conv_module#.depthwise_conv.chunkwise_conv_scale", "12"),
        ("conv#.conv", "conv_module#.depthwise_conv", "12"),
        ("feed_forward#.hidden", "feed_forward#.in_proj", "123"),
        ("feed_forward#.output", "feed_forward#.out_proj", "123"),
    )
    for number in numbers
}
STACK = {"bypass.scale": "out_combiner.bypass_scale", "downsample.logits": "downsample.bias"}
HEAD = {
    "predictor.embedding": "{task}decoder.embedding",
    "predictor.conv": "{task}decoder.conv",
    "joint.encoder_proj": "{task}joiner.encoder_proj",
    "joint.predictor_proj": "{task}joiner.decoder_proj",
    "joint.output": "{task}joiner.output_linear",
    "criterion.simple_encoder": "simple_{task}am_proj",
    "criterion.simple_predictor": "simple_{task}lm_proj",
}
ENCODERS = {"encoder": "encoder", "hier_encoder": "st_encoder"}
TASKS = {"asr": "", "asr_ctc": "", "st": "st_", "st_ctc": "st_"}
_LAYER = re.compile(r"stacks\.(\d+)\.layers\.(\d+)\.(.+)")
_STACK = re.compile(r"stacks\.(\d+)\.(.+)")

# In checkpoints, but of no use to what they compute.
UNUSED = (
    (
        re.compile(r"(st_)?encoder\.encoders\.\d+\.(encoder\.)?layers\.\d+\.bypass_scale"),
        "no layer uses it: bypass and bypass_mid hold its scales",
    ),
    (re.compile(r"(st_)?encoder\.downsample_output\.bias"), "one frame is joined to one: nothing is weighed"),
    (re.compile(r"simple_st_(am|lm)_proj\.(weight|bias)"), "of a translation that this training did not have yet"),
)


def released_name(ours: str, factors: Mapping[str, tuple[int, ...]]) -> str:
    """The released name of a weight.

    Args:
        ours: its name in the model.
        factors: downsampling of the stacks of "encoder" and "hier_encoder": released stacks that have one are wrapped.
    """
    first, _, rest = ours.partition(".")
    if first == "heads":
        name, _, rest = rest.partition(".")
        if name.endswith("_ctc"):
            return f"{TASKS[name]}ctc_output.1.{rest.removeprefix('output.')}"
        return _changed(rest, HEAD).format(task=TASKS[name])
    if rest.startswith("frontend."):
        return "encoder_embed." + _changed(rest.removeprefix("frontend."), FRONT_END)
    encoder = ENCODERS[first]
    if rest == "output.logits":
        return f"{encoder}.downsample_output.bias"
    if layer := _LAYER.fullmatch(rest):
        wrapper = "encoder." if factors[first][int(layer[1])] > 1 else ""
        return f"{encoder}.encoders.{layer[1]}.{wrapper}layers.{layer[2]}.{_changed(layer[3], LAYER)}"
    stack = _STACK.fullmatch(rest)
    assert stack is not None, ours
    return f"{encoder}.encoders.{stack[1]}.{STACK[stack[2]]}"


def why_unused(name: str) -> str:
    """Why a weight of a checkpoint is left out; empty for one that is not known."""
    return next((reason for pattern, reason in UNUSED if pattern.fullmatch(name)), "")


def _changed(name: str, table: Mapping[str, str]) -> str:
    """The name of a parameter, its module's or its own taken from the table."""
    if name in table:
        return table[name]
    module, _, leaf = name.rpartition(".")
    return f"{table[module]}.{leaf}"
