"""Checkpoints of WavLM, HuBERT and wav2vec 2.0 as S3PRL reads them: its layers, in our batches and packs."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.inputs.pretrained.frontend import Pretrained
from espnet_jst.inputs.pretrained.original import _convolutions
from espnet_jst.inputs.unit_features import UnitFeatures, UnitReader, parse_features, unit_set
from tests.inputs.pretrained_models import ORIGINALS, checkpoint, original

LENGTHS = torch.tensor([24_000, 13_457, 300])


def batch() -> torch.Tensor:
    """Three utterances with noise behind them."""
    return 0.1 * torch.randn(3, 24_000, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ORIGINALS)
@pytest.mark.parametrize("samples", [24_000, 23_777])
def test_every_layer_is_that_of_s3prl(kind: str, samples: int) -> None:
    expert = importlib.import_module(f"s3prl.upstream.{ORIGINALS[kind][0]}.expert").UpstreamExpert(original(kind))
    speech = batch()[:1, :samples]
    with torch.no_grad():
        wanted = expert.eval()([speech[0]])["hidden_states"]
    frontend = Pretrained(model=original(kind)).eval()
    found, lengths = frontend.encoder(speech, torch.tensor([samples]))
    assert len(found) == len(wanted) == 4 and lengths[0] == wanted[0].size(1) == (samples - 400) // 320 + 1
    if kind.endswith("large"):  # theirs is behind the norm that follows the last layer
        found[-1] = frontend.encoder.model.encoder.layer_norm(found[-1])
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize("kind", ORIGINALS)
def test_an_utterance_has_the_same_frames_in_any_batch(kind: str) -> None:
    frontend, speech = Pretrained(model=original(kind), layer=2).eval(), batch()
    frames, lengths = frontend(speech, LENGTHS)
    assert frontend.encoder.layers == 2
    for row, length in enumerate(LENGTHS.tolist()):
        alone, count = frontend(speech[row : row + 1, :length], LENGTHS[row : row + 1])
        assert count[0] == lengths[row] >= 1
        torch.testing.assert_close(frames[row, : count[0]], alone[0], rtol=1e-5, atol=1e-5 * float(alone.abs().max()))


def test_half_precision_and_a_size_that_is_not_said_are_read(tmp_path: Path) -> None:
    state = checkpoint("wavlm")
    state["model"] = {name: value.half() for name, value in state["model"].items()}
    torch.save(state, tmp_path / "half.pt")
    frontend = Pretrained(model=str(tmp_path / "half.pt"))
    assert {p.dtype for p in frontend.parameters()} == {torch.float32}
    assert frontend.written()["architecture"]["source"] == "half.pt"


def test_a_unit_set_of_it_needs_no_checkpoint(tmp_path: Path) -> None:
    shutil.copy(original("wavlm_large"), tmp_path / "WavLM.pt")
    features = UnitFeatures(parse_features(f"{tmp_path}/WavLM.pt/2", 16_000), trusted=True)
    speech = [batch()[0].numpy()]
    [frames] = features(speech)
    made = unit_set(features, frames[:5])
    (tmp_path / "WavLM.pt").unlink()
    assert UnitReader(made)(speech)[0][:5] == [0, 1, 2, 3, 4] and "WavLM.pt'" in str(made.features)


def changed(kind: str, part: str, **values: Any) -> dict[str, Any]:
    state = checkpoint(kind)
    return {**state, part: {**state[part], **values}}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (lambda: changed("wavlm", "cfg", gru_rel_pos=False), "is no WavLM"),
        (lambda: changed("wavlm", "cfg", conv_feature_layers="__import__('os')"), "conv_feature_layers is .*no list"),
        (lambda: changed("wavlm", "cfg", activation_fn="glu"), "activation_fn is 'glu', and only gelu or relu"),
        (lambda: changed("wavlm", "cfg", encoder_layers=4), r"\(wavlm\) has no encoder.layers.3.* not all there"),
        (lambda: changed("wavlm", "cfg", encoder_ffn_embed_dim=50), "has weights of other sizes than it says"),
        (lambda: changed("wavlm", "cfg", encoder_embed_dim=-1), "no encoder has such a size"),
        (lambda: changed("wavlm", "cfg", encoder_layers="x"), "layers: give model instead"),
        (lambda: changed("wav2vec2", "model_cfg", layer_type="conformer"), "layer_type is 'conformer'"),
        (lambda: changed("wav2vec2", "model_cfg", _name="data2vec_audio"), "is a 'data2vec_audio', not a wav2vec2"),
        (lambda: {"cfg": {"model": {}, "task": {}}, "model": {}}, "is no checkpoint of WavLM, .* as S3PRL converts it"),
        (lambda: torch.zeros(3), "is no checkpoint of WavLM"),
    ],
)
def test_a_checkpoint_that_is_none_of_these_is_one_message(state: Any, message: str, tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=message):
        Pretrained(model=str(tmp_path / "model.pt"))


class Dictionary:
    """Such objects are in checkpoints of fairseq."""


def test_objects_of_other_programs_are_not_made(tmp_path: Path) -> None:
    torch.save({"model": {}, "task_state": Dictionary()}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="could execute code: refused.*or take the model as transformers saves"):
        Pretrained(model=str(tmp_path / "model.pt"))
    (tmp_path / "model.pt").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="is damaged"):
        Pretrained(model=str(tmp_path / "model.pt"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[(512,10,5)] + [(512,3,2)] * 2", [(512, 10, 5), (512, 3, 2), (512, 3, 2)]),
        (" [(1, 2, 3), (4, 5, 6)]", [(1, 2, 3), (4, 5, 6)]),
        ("[(1,1,1)] * 60 * 60 * 60 * 60", None),
        ("[(1,1,1)] * 10**9", None),
        ("[(1,1)]", None),
        ("[(0,1,1)]", None),
        ("[]", None),
        ("1", None),
        ("[" * 900, None),
        ([(512, 10, 5)], None),
    ],
)
def test_convolutions_are_read_without_being_evaluated(text: Any, found: Any) -> None:
    assert _convolutions(text) == found
