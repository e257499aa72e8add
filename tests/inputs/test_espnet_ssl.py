"""Self-supervised encoders that ESPnet has trained: its layers, in our batches, unit sets and packs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from espnet2.tasks.ssl import SSLTask

from espnet_jst.errors import ConfigError
from espnet_jst.inputs.pretrained.frontend import Pretrained
from espnet_jst.inputs.unit_features import UnitFeatures, UnitReader, parse_features, unit_set
from tests.inference import tiny

LENGTHS = torch.tensor([12_000, 9_123, 300])
# As XEUS (E-Branchformer with a convolution for positions), and the two others that the task has.
ENCODERS: dict[str, dict[str, Any]] = {
    "e_branchformer": {
        **{"cgmlp_linear_units": 48, "cgmlp_conv_kernel": 7, "use_ffn": True, "macaron_ffn": True},
        **{"attention_layer_type": "selfattn", "pos_enc_layer_type": "conv"},
    },
    "transformer": {"pos_enc_layer_type": "conv", "input_layer": "linear"},
    "conformer": {"rel_pos_type": "latest", "cnn_module_kernel": 7},
}
NORMS: dict[str, tuple[str | None, bool]] = {
    "e_branchformer": (None, True),
    "transformer": ("utterance_mvn", False),
    "conformer": (None, False),
}


def config(encoder: str) -> dict[str, Any]:
    """What a training of ESPnet writes, of a tiny model."""
    normalize, normalize_audio = NORMS[encoder]
    shapes = [[24, 10, 5], *([24, 3, 2] for _ in range(4)), *([24, 2, 2] for _ in range(2))]
    frontend = {"norm_mode": "layer_norm", "conv_mode": "standard", "bias": True, "shapes": shapes}
    sizes = {"output_size": 32, "attention_heads": 4, "num_blocks": 3, "linear_units": 48, "input_layer": None}
    return {
        **{"frontend": "wav2vec_cnn", "frontend_conf": {**frontend, "normalize_audio": normalize_audio}},
        **{"specaug": None, "specaug_conf": {}, "normalize": normalize, "normalize_conf": {}},
        **{"preencoder": "linear", "preencoder_conf": {"output_size": 32, "dropout": 0.1}},
        **{"encoder": encoder, "encoder_conf": {**sizes, **ENCODERS[encoder]}, "model": "espnet", "model_conf": {}},
        **{"loss": [{"name": "hubert", "conf": {"num_classes": 7, "final_dim": 8}}], "util": []},
        **{"token_list": ["a", "b"], "init": None, "input_size": None},
    }


@cache
def trained(encoder: str) -> tuple[Any, str]:
    """ESPnet's model, and its file."""
    folder, conf = Path(tiny.FOLDER.name) / f"ssl_{encoder}", config(encoder)
    folder.mkdir()
    torch.manual_seed(0)
    model = SSLTask.build_model(argparse.Namespace(**conf)).eval()
    torch.save(model.state_dict(), folder / "valid.loss.best.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf))
    return model, str(folder / "valid.loss.best.pth")


def noise(samples: int = 12_000) -> torch.Tensor:
    return 0.1 * torch.randn(3, samples, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_layer_is_that_of_espnet(encoder: str) -> None:
    model, file = trained(encoder)
    speech, length = noise()[:1], torch.tensor([12_000])
    with torch.no_grad():
        _, wanted, _ = model.inference_encode(speech.clone(), length, use_final_output=False)
    found, count = Pretrained(model=file).eval().encoder(speech, length)
    assert len(found) == 1 + len(wanted) == 4 and count[0] == wanted[0].size(1)
    for ours, theirs in zip(found[1:], wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not torch.equal(found[0], found[1])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_an_utterance_has_the_same_frames_in_any_batch(encoder: str) -> None:
    frontend, speech = Pretrained(model=trained(encoder)[1], layer=2).eval(), noise()
    frames, lengths = frontend(speech, LENGTHS)
    assert frontend.encoder.layers == 2 and frontend.output_size() == 32
    for row, length in enumerate(LENGTHS.tolist()):
        alone, count = frontend(speech[row : row + 1, :length], LENGTHS[row : row + 1])
        assert count[0] == lengths[row] >= 1
        torch.testing.assert_close(frames[row, : count[0]], alone[0])


def test_it_can_be_trained_further_with_a_sum_of_layers() -> None:
    frontend = Pretrained(model=trained("e_branchformer")[1], weighted=True, trainable=True)
    frames, _ = frontend(noise(), LENGTHS)
    frames.square().sum().backward()
    assert all(p.grad is not None for name, p in frontend.encoder.named_parameters() if "encoders.2.norm_final" in name)
    assert frontend.weights is not None and frontend.weights.grad is not None


def test_a_unit_set_of_it_needs_no_checkpoint() -> None:
    _, file = trained("conformer")
    features = UnitFeatures(parse_features(f"{file}/2", 16_000), trusted=True)
    speech = [noise()[0].numpy()]
    [frames] = features(speech)
    made = unit_set(features, frames[:5])
    assert "espnet_ssl" in str(made.features)
    assert UnitReader(made)(speech)[0][:5] == [0, 1, 2, 3, 4]


def copy(encoder: str, folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """The model with another configuration beside it."""
    model, _ = trained(encoder)
    conf = config(encoder)
    change(conf)
    torch.save(model.state_dict(), folder / "model.pth")
    (folder / "config.yaml").write_text(yaml.safe_dump(conf))
    return str(folder / "model.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda conf: conf.update(frontend="default", frontend_conf={}),
            "frontend is 'default': give one",
        ),
        (lambda conf: conf.update(normalize="global_mvn"), "normalize is 'global_mvn': give one of utterance_mvn"),
        (lambda conf: conf["encoder_conf"].update(input_layer="conv2d"), "only linear and null are known here"),
        (lambda conf: conf["encoder_conf"].update(num_blocks=5), "has no encoder.encoders.3"),
        (lambda conf: conf["encoder_conf"].update(linear_units=64), "weights of other sizes than it says"),
        (lambda conf: conf["encoder_conf"].update(attention_heads=5), "cannot be used"),
        (lambda conf: conf["encoder_conf"].update(output_size="wide"), "cannot be used"),
        (lambda conf: conf["frontend_conf"].update(shapes=[[24, 10]]), "shapes is"),
        (lambda conf: conf["frontend_conf"].update(shapes=[]), "shapes is"),
        (lambda conf: conf["frontend_conf"].update(shapes=[[24, 10, 5]]), "only 320, 20 ms, are known here"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pretrained(model=copy("e_branchformer", tmp_path, change))


def test_a_layer_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="layer is 4, and the espnet_ssl encoder has layers 1 to 3"):
        Pretrained(model=trained("transformer")[1], layer=4)
