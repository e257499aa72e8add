"""The encoder in float64 against the plain reference of one utterance: whole, and in chunks."""

import re

import pytest
import torch

from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.taps import Tap
from tests.encoders.systems import shake, zipformer
from tests.reference import zipformer as reference

MELS = 80  # the reference flattens (19 bands of 128 channels) as released
SIZES = {
    "three rates": {"subsampling_channels": (8, 32, 128)},
    "without a front end": {"subsampling": 1, "output_subsampling": 1},
    "the last stack is the widest": {"subsampling": 1, "sizes": [12, 8, 24], "unmasked_sizes": [8, 8, 8]},
    "kernels longer than chunks": {"subsampling": 1, "kernel_sizes": [31, 15, 9], "layers": [1, 1, 2]},
    "odd factors": {"subsampling": 1, "downsampling": [1, 3, 6], "output_subsampling": 3},
}
# Our names and the released ones of what they hold.
RELEASED = {
    r"^stacks\.": "encoders.",
    r"\.weights\.project\.": ".self_attn_weights.in_proj.",
    r"\.weights\.pos\.": ".self_attn_weights.linear_pos.",
    r"\.attention(\d)\.value\.": r".self_attn\1.in_proj.",
    r"\.attention(\d)\.output\.": r".self_attn\1.out_proj.",
    r"\.nonlinear\.project\.": ".nonlin_attention.in_proj.",
    r"\.nonlinear\.output\.": ".nonlin_attention.out_proj.",
    r"\.(feed_forward\d)\.hidden\.": r".\1.in_proj.",
    r"\.(feed_forward\d)\.output\.": r".\1.out_proj.",
    r"\.conv(\d)\.gate\.": r".conv_module\1.in_proj.",
    r"\.conv(\d)\.output\.": r".conv_module\1.out_proj.",
    r"\.conv(\d)\.conv\.causal\.": r".conv_module\1.depthwise_conv.causal_conv.",
    r"\.conv(\d)\.conv\.inside\.": r".conv_module\1.depthwise_conv.chunkwise_conv.",
    r"\.conv(\d)\.conv\.edges": r".conv_module\1.depthwise_conv.chunkwise_conv_scale",
    r"\.conv(\d)\.conv\.": r".conv_module\1.depthwise_conv.",
    r"(layers\.\d+)\.bypass\.scale": r"\1.bypass.bypass_scale",
    r"\.middle\.scale": ".bypass_mid.bypass_scale",
    r"(encoders\.\d+)\.bypass\.scale": r"\1.out_combiner.bypass_scale",
    r"\.downsample\.logits": ".downsample.bias",
    r"^output\.logits": "downsample_output.bias",
    r"^frontend\.conv1\.": "embed.conv.0.",
    r"^frontend\.conv2\.": "embed.conv.4.",
    r"^frontend\.conv3\.": "embed.conv.7.",
    r"^frontend\.depthwise\.": "embed.convnext.depthwise_conv.",
    r"^frontend\.pointwise(\d)\.": r"embed.convnext.pointwise_conv\1.",
    r"^frontend\.output\.": "embed.out.",
    r"^frontend\.norm\.": "embed.out_norm.",
}


def released(module):
    """The weights under the names, and in the layouts, of a checkpoint."""
    weights = {}
    for name, value in module.state_dict().items():
        for ours, theirs in RELEASED.items():
            name = re.sub(ours, theirs, name)
        stack = re.match(r"encoders\.(\d+)\.layers", name)
        if stack and module.factors[int(stack[1])] > 1:
            name = name.replace(".layers.", ".encoder.layers.")
        if name.endswith("chunkwise_conv_scale"):
            value = value.transpose(1, 2)
        elif "pointwise_conv" in name and name.endswith("weight"):
            value = value[..., None, None]
        weights[name] = value
    return weights if "downsample_output.bias" in weights else weights | {"downsample_output.bias": torch.zeros(1)}


def built(name, causal, **changes):
    torch.manual_seed(0)
    conf = {**SIZES[name], "causal": causal, "chunk_frames": 0, "train_chunk_frames": [0], **changes}
    size = MELS if conf.get("subsampling", 2) == 2 else conf.get("sizes", [20])[0]
    return shake(zipformer(size, **conf).double().eval()), size


def by_reference(module, x, chunk, left):
    """Last stack and top of one utterance; chunk and left context in frames between the stacks."""
    conf, weights = module.conf, released(module)
    sizes = {
        "encoder_dim": conf.sizes,
        "downsampling_factor": conf.downsampling,
        "num_encoder_layers": conf.layers,
        "num_heads": conf.heads,
    }
    shared = {"query_head_dim": conf.query_head_size, "pos_head_dim": conf.pos_head_size, "pos_dim": conf.pos_size}
    if conf.subsampling == 2:
        x = reference.front_end(reference.part(weights, "embed"), x)
    return reference.encode(weights, x, sizes, shared, chunk=chunk, left=left)


@torch.no_grad()
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("causal", [False, True])
def test_whole_utterances_of_a_batch_are_those_of_the_reference(name, causal):
    module, size = built(name, causal)
    x, lengths = torch.randn(3, 64, size).double(), (64, 41, 13)
    taps = module.encode(Tap(x, torch.tensor(lengths), 0.01), module.context)
    for row, n in enumerate(lengths):
        for tap, expected in zip(("last_stack", ""), by_reference(module, x[row, :n], -1, -1)):
            found = taps[tap].x[row, : taps[tap].lengths[row]]
            torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(("chunk", "left_chunks"), [(12, 1), (12, 3), (24, -1), (48, 2)])
def test_chunks_are_those_of_the_reference_masked_and_streamed(name, chunk, left_chunks):
    """Chunks are given in frames between the stacks."""
    module, size = built(name, causal=True)
    context, frames = ChunkContext(chunk // module.joined, left_chunks), 131
    x = torch.randn(1, frames, size).double()
    masked, state, parts = module.encode(Tap(x, torch.tensor([frames]), 0.01), context), None, []
    state = module.init_state(1, context)
    for start in range(0, frames, 29):
        piece = x[:, start : start + 29]
        taps, state = module.step(Tap(piece, torch.tensor([piece.size(1)]), 0.01), state, [start + 29 >= frames])
        parts.append(taps)
    left = left_chunks * chunk if left_chunks >= 0 else -1
    for tap, expected in zip(("last_stack", ""), by_reference(module, x[0], chunk, left)):
        torch.testing.assert_close(masked[tap].x[0], expected, atol=1e-9, rtol=0)
        torch.testing.assert_close(torch.cat([taps[tap].x[0] for taps in parts]), expected, atol=1e-9, rtol=0)
