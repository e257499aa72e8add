"""Weights are refused where they meet other labels than those that they were trained with."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from espnet_jst.errors import CheckpointError
from espnet_jst.hub.pack import pack
from espnet_jst.inference.loading import load_model
from espnet_jst.token_marks import PREFIX, check_marks, mark
from espnet_jst.training.checkpoints import check_checkpoint
from espnet_jst.training.init_param import load_part
from espnet_jst.weights import load_strict, read_weights
from tests.inference import tiny

OTHER = [*tiny.TARGET[:4], "drei", *tiny.TARGET[5:9], "one", *tiny.TARGET[10:]]  # as many, two of another meaning
REFUSED = "was trained with another token_list than the configuration's"


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """config.yaml and weights of a tiny model."""
    folder = tmp_path_factory.mktemp("exp")
    tiny.save(*tiny.tiny_model(tiny.config(tiny.SERIALIZED)), folder)
    return folder


def weights_of(folder: Path) -> Path:
    [path] = sorted(folder.glob("*.pth"))
    return path


def other_model():
    return copy.deepcopy(tiny.tiny_model(tiny.config(tiny.SERIALIZED) | {"token_list": OTHER})[0])


@pytest.fixture
def relabelled(experiment: Path, tmp_path: Path) -> Path:
    """The same folder, with the same number of tokens and two of another meaning in its config.yaml."""
    values = yaml.safe_load((experiment / "config.yaml").read_text("utf-8"))
    values["token_list"] = OTHER
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), "utf-8")
    for path in (weights_of(experiment), experiment / "feats_stats.npz"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_the_mark_survives_averaging_and_half_precision():
    one = mark(tiny.TARGET)
    assert not torch.equal(one, mark(OTHER))
    for count in (2, 3, 7, 10):
        assert torch.equal(sum([one] * count) / count, one)
    for dtype in (torch.float16, torch.bfloat16):
        assert torch.equal(one.to(dtype).float(), one)


def test_decoding_refuses_weights_of_another_token_list(relabelled: Path):
    with pytest.raises(CheckpointError, match=REFUSED):
        load_model(relabelled / "config.yaml", weights_of(relabelled))


def test_packing_refuses_weights_of_another_token_list(relabelled: Path):
    with pytest.raises(CheckpointError, match=REFUSED):
        pack(relabelled, relabelled / "pack.zip", wav=None, model=weights_of(relabelled))
    assert not (relabelled / "pack.zip").exists()


def test_training_refuses_to_go_on_from_a_checkpoint_of_another_token_list(experiment: Path, tmp_path: Path):
    keys = ("reporter", "optimizers", "schedulers", "scaler")
    states = {"model": read_weights(weights_of(experiment)), **dict.fromkeys(keys)}
    check_checkpoint(tmp_path, other_model().token_lists)  # nothing there yet
    torch.save(states, tmp_path / "checkpoint.pth")
    check_checkpoint(tmp_path, tiny.tiny_model(tiny.config(tiny.SERIALIZED))[0].token_lists)
    with pytest.raises(CheckpointError, match=REFUSED):
        check_checkpoint(tmp_path, other_model().token_lists)


def test_initial_weights_of_a_whole_model_are_refused_and_those_of_an_encoder_are_not(experiment: Path):
    path, model = weights_of(experiment), other_model()
    with pytest.raises(CheckpointError, match=REFUSED):
        load_part(f"{path}", model)
    with pytest.raises(CheckpointError, match=REFUSED):
        load_part(f"{path}:heads.joint:heads.joint", model)
    load_part(f"{path}:encoder:encoder", model)
    load_part(f"{path}:::heads", model)
    assert torch.equal(model.token_lists.tgt, mark(OTHER))


def test_a_mismatch_that_is_ignored_leaves_the_heads_out(experiment: Path, caplog: pytest.LogCaptureFixture):
    model = other_model()
    before = {name: value.clone() for name, value in model.heads.state_dict().items()}
    load_part(f"{weights_of(experiment)}", model, ignore_init_mismatch=True)
    assert all(torch.equal(value, before[name]) for name, value in model.heads.state_dict().items())
    assert torch.equal(next(model.encoder.parameters()), read_weights(weights_of(experiment))[first_of(model)])
    assert "not loaded, because of another token list: heads.joint" in caplog.text


def first_of(model) -> str:
    return f"encoder.{next(name for name, _ in model.encoder.named_parameters())}"


def test_weights_of_an_earlier_version_have_no_mark_and_load(experiment: Path):
    old = {name: value for name, value in read_weights(weights_of(experiment)).items() if not name.startswith(PREFIX)}
    model = other_model()
    load_strict(model, old, "old.pth")
    assert torch.equal(model.token_lists.tgt, mark(OTHER))
    check_marks(old, {"tgt": mark(OTHER)}, "old.pth")


def test_only_lists_that_a_head_uses_count():
    heads = {"joint": tiny.SERIALIZED["joint"], "ctc": {**tiny.SERIALIZED["ctc"], "vocabulary": "tgt"}}
    one, two = (tiny.tiny_model(tiny.config(heads) | {"src_token_list": source})[0] for source in (tiny.SOURCE, OTHER))
    assert [name for name in one.state_dict() if name.startswith(PREFIX)] == [f"{PREFIX}tgt"]
    load_strict(copy.deepcopy(two), one.state_dict(), "one.pth")
