"""The plain reference against outputs of the released modules."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.reference import zipformer

GOLDEN = Path(__file__).parents[2] / "golden"


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
