"""The plain reference against outputs of the released modules, and the names and shapes of their weights."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.reference import zipformer, zipformer_weights

GOLDEN = Path(__file__).parents[2] / "golden"


SHARED = {"query_head_dim": 32, "pos_head_dim": 4, "value_head_dim": 12, "pos_dim": 48}
PUBLISHED = {  # the sizes of arXiv:2506.02157, as released
    "asr": {
        "encoder_dim": [192, 256, 384, 512, 384],
        "feedforward_dim": [512, 768, 1024, 1024, 1024],
        "downsampling_factor": [1, 2, 4, 8, 4],
        "cnn_module_kernel": [31, 31, 15, 15, 15],
        "num_heads": [4, 4, 4, 8, 8],
        "num_encoder_layers": [2, 2, 2, 2, 2],
    },
    "st": {
        "encoder_dim": [384, 512, 256, 256, 256],
        "feedforward_dim": [512, 512, 256, 256, 256],
        "downsampling_factor": [1, 2, 4, 4, 4],
        "cnn_module_kernel": [15, 31, 31, 15, 15],
        "num_heads": [8, 8, 8, 8, 8],
        "num_encoder_layers": [2, 2, 2, 2, 2],
    },
}


@pytest.mark.parametrize("kind", ["offline", "causal"])
def test_the_reference_gives_what_the_released_modules_gave(kind):
    tensors, sizes = load_file(GOLDEN / f"hent_srt_a_{kind}.safetensors"), GOLDEN / f"hent_srt_a_{kind}.json"
    sizes = json.loads(sizes.read_text())
    rest = sizes["shared"], sizes["chunk_frames"], sizes["left_context_frames"]
    features = tensors["input.features"][0]
    assert tensors["input.lengths"][0] == len(features)  # no padding
    embed = zipformer.front_end(zipformer.part(tensors, "model.encoder_embed"), features)
    f_s, asr = zipformer.encode(zipformer.part(tensors, "model.encoder"), embed, sizes["config"]["asr"], *rest)
    _, st = zipformer.encode(zipformer.part(tensors, "model.st_encoder"), f_s, sizes["config"]["st"], *rest)
    for name, ours in {"embed": embed, "f_s": f_s, "asr": asr, "st": st}.items():
        torch.testing.assert_close(ours.float(), tensors[f"output.{name}"][0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["offline", "causal"])
def test_names_and_shapes_of_weights_are_those_of_a_checkpoint(kind):
    tensors, sizes = load_file(GOLDEN / f"hent_srt_a_{kind}.safetensors"), GOLDEN / f"hent_srt_a_{kind}.json"
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items() if name.startswith("model.")}
    own = zipformer_weights.hent_srt(json.loads(sizes.read_text()))
    assert zipformer_weights.under("model", own) == shapes


@pytest.mark.parametrize("causal, asr, st", [(False, 33_818_782, 22_115_609), (True, 34_160_030, 22_498_073)])
def test_published_sizes_have_the_published_numbers_of_parameters(causal, asr, st):
    for name, factor, expected in (("asr", 2, asr), ("st", 1, st)):
        shapes = zipformer_weights.encoder(PUBLISHED[name], SHARED, factor, causal)
        assert sum(map(math.prod, shapes.values())) == expected


def test_a_chunk_hears_thirteen_frames_beyond_its_end():
    sizes = {name: values[1:4] for name, values in PUBLISHED["asr"].items()}
    sizes |= {"encoder_dim": [8, 16, 12], "feedforward_dim": [16, 16, 16], "downsampling_factor": [1, 2, 4]}
    shared = {"query_head_dim": 4, "pos_head_dim": 2, "value_head_dim": 3, "pos_dim": 6}
    shapes = zipformer_weights.under("embed", zipformer_weights.front_end(8))
    shapes |= zipformer_weights.under("encoder", zipformer_weights.encoder(sizes, shared, 2, True))
    weights = zipformer_weights.random_weights(shapes, seed=0)

    def outputs(features):
        embed = zipformer.front_end(zipformer.part(weights, "embed"), features)
        return zipformer.encode(zipformer.part(weights, "encoder"), embed, sizes, shared, chunk=8, left=64)

    features = torch.randn(90, 80, generator=torch.Generator().manual_seed(1))
    for after, moved in ((2 * 16 + 13, False), (2 * 16 + 12, True)):
        changed = torch.cat([features[:after], torch.zeros(90 - after, 80)])
        for one, other, frames in zip(outputs(features), outputs(changed), (16, 8)):
            assert not torch.equal(one, other) and torch.equal(one[:frames], other[:frames]) != moved
