"""Frames of an encoder of ours as features: those of its layer, alone and in a batch, from its own weights alone."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.inference import Speech2Text
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


WHISPER = {"size": 32, "heads": 2, "feed_forward_size": 48, "layers": 2, "output_subsampling": 4}


@pytest.fixture(params=["chunk_conformer", "chunk_whisper"])
def heard_in_chunks(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An experiment whose encoder has chunks of 0.32 s."""
    conf = tiny.config({**tiny.SERIALIZED, "ctc": {"kind": "ctc", "lanes": ["transcript"]}})
    if request.param == "chunk_whisper":
        conf |= {"encoder": "chunk_whisper", "encoder_conf": {**WHISPER, "chunk_frames": 4, "left_chunks": 2}}
    tiny.save(*tiny.tiny_model(conf), tmp_path / "st_lower")
    return tmp_path / "st_lower"


def test_streams_of_any_age_have_the_frames_of_the_whole(heard_in_chunks: Path) -> None:
    features, chance = Trained(model=heard_in_chunks, chunk_s=0.32), random.Random(0)
    speech, lengths = batch(3.1, 1.7)
    whole, counts = features(speech, lengths)
    for _ in range(4):
        state, heard, found = features.init_state(2), [0, 0], [[], []]
        while heard != lengths.tolist():
            take = [min(chance.choice([0, 900, 2560, 7000]), n - had) for n, had in zip(lengths, heard, strict=True)]
            packet = torch.nn.utils.rnn.pad_sequence(
                [speech[row, had : had + n] for row, (had, n) in enumerate(zip(heard, take, strict=True))],
                batch_first=True,
            )
            heard = [had + int(n) for had, n in zip(heard, take, strict=True)]
            last = [had == n for had, n in zip(heard, lengths.tolist(), strict=True)]
            tap, state = features.step(Tap(packet, torch.tensor(take), 1 / 8000), state, last)
            for row, count in enumerate(tap.lengths.tolist()):
                found[row].append(tap.x[row, :count])
                if not last[row]:
                    assert sum(map(len, found[row])) == features.ready(heard[row])
        for row, count in enumerate(counts.tolist()):
            torch.testing.assert_close(torch.cat(found[row]), whole[row, :count], atol=1e-5, rtol=1e-5)


def test_a_model_on_it_streams_what_it_writes_of_the_whole(heard_in_chunks: Path) -> None:
    conf = tiny.config(tiny.SERIALIZED)
    conf |= {"frontend": "trained", "frontend_conf": {"model": str(heard_in_chunks), "chunk_s": 0.32}}
    conf |= {"encoder_conf": {**tiny.ENCODER, "subsampling": 1, "chunk_frames": 8}}
    conf |= {"normalize": None, "normalize_conf": None}
    model, args = tiny.tiny_model(conf)
    shutil.rmtree(heard_in_chunks)
    decoder, samples = Speech2Text.from_model(tiny.liven(model, rate=1.0), args), tiny.speech(6.0, seed=3)
    [(*_, whole)] = decoder(samples)
    session = decoder.session()
    early = [word for start in range(0, len(samples), 2000) for word in session.push(samples[start : start + 2000])]
    words = early + session.finish()
    assert [word.text for word in words] == [word.text for word in whole.words] and len(early) > 4
    assert [word.emission_s for word in words] == [word.emission_s for word in whole.words]


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
