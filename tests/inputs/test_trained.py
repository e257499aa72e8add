"""Frames of an encoder of ours as features: those of its layer, alone and in a batch, from its own weights alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.inputs.trained import Trained
from espnet_jst.inputs.unit_features import UnitFeatures, UnitReader, parse_features, unit_set
from espnet_jst.model import JSTModel
from espnet_jst.taps import Tap
from espnet_jst.units.unit_set import UnitSet
from tests.inference import tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, JSTModel]:
    model, args = tiny.tiny_model(tiny.config(tiny.SERIALIZED))
    folder = tmp_path_factory.mktemp("trained") / "st_x"
    tiny.save(model, args, folder)
    return folder, model


def batch(*seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [torch.from_numpy(tiny.speech(s, seed=n)) for n, s in enumerate(seconds)]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows])


@pytest.mark.parametrize(("layer", "tap"), [(1, "1"), (2, ""), (None, "")])
def test_its_frames_are_those_of_the_model(trained: tuple[Path, JSTModel], layer: int | None, tap: str) -> None:
    folder, model = trained
    features = Trained(model=folder, layer=layer)
    speech, lengths = batch(2.0, 1.1)
    with torch.no_grad():
        x, counts = model.frontend(speech, lengths)
        x, counts = model.normalize(x, counts)
        wanted = model.encoder.eval().encode(Tap(x, counts, 0.01), ChunkContext())[tap]
        found, frames = features.train()(speech, lengths)
        torch.testing.assert_close(found, wanted.x)
        assert frames.tolist() == wanted.lengths.tolist() and features.output_size() == found.size(2)
        alone, count = features(speech[1:, : lengths[1]], lengths[1:])
    torch.testing.assert_close(alone[0], found[1, : count[0]], atol=1e-5, rtol=1e-5)
    assert features.hop_s == pytest.approx(0.08) and not any(p.requires_grad for p in features.parameters())
    step, _ = features.step(Tap(speech, lengths, 1 / 8000), features.init_state(2), [False, True])
    assert step.lengths.tolist() == [0, count[0]]


def test_units_of_it_need_no_file_but_their_own(trained: tuple[Path, JSTModel], tmp_path: Path) -> None:
    shutil.copytree(trained[0], tmp_path / "exp")
    features = UnitFeatures(parse_features(f"{tmp_path}/exp/1", 8000), trusted=True)
    speech = [tiny.speech(1.5, seed=5)]
    [frames] = features(speech)
    unit_set(features, frames[::3].clone()).save(tmp_path / "units.safetensors")
    shutil.rmtree(tmp_path / "exp")
    units = UnitSet.load(tmp_path / "units.safetensors")
    [found] = UnitReader(units)(speech)
    assert found[::3] == list(range(len(frames[::3]))) and features.fs == 8000
    assert str(tmp_path) not in str(units.features)


def test_what_is_no_experiment_is_one_message(trained: tuple[Path, JSTModel], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no config.yaml with valid.loss.ave.pth"):
        Trained(model=tmp_path)
    with pytest.raises(ConfigError, match="layer is 3, and the encoder has layers 1 to 2"):
        Trained(model=trained[0], layer=3)
    with pytest.raises(ConfigError, match="model is missing"):
        Trained()
    shutil.copytree(trained[0], tmp_path / "exp")
    conf = (tmp_path / "exp" / "config.yaml").read_text()
    (tmp_path / "exp" / "config.yaml").write_text(conf.replace("size: 32", "size: 16"))
    with pytest.raises(CheckpointError, match="does not fit the model"):
        Trained(model=tmp_path / "exp")
    parts = Trained(model=trained[0], layer=1).written()["architecture"]
    with pytest.raises(ConfigError, match="architecture.frontend is 'whisper'"):
        Trained(architecture={**parts, "frontend": "whisper"})
    with pytest.raises(ConfigError, match="frontend_conf has no architecture"):
        Trained(architecture={**parts, "frontend": "pretrained", "frontend_conf": {"model": "x"}})
    assert np.isfinite(Trained(architecture=parts).hop_s)
