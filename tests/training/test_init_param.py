"""--init_param is strict for the part that it selects."""

import pytest
import torch
from torch import nn

from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.training.init_param import load_part


class Model(nn.Module):
    """Two parts whose names start alike."""

    def __init__(self, width=3):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(2, width), nn.Linear(width, 2))
        self.encoder_proj = nn.Linear(2, 2)


@pytest.fixture
def other(tmp_path):
    model = Model()
    torch.save(model.state_dict(), tmp_path / "other.pth")
    return model, f"{tmp_path}/other.pth"


def test_the_whole_file_is_loaded(other):
    source, path = other
    model = Model()
    load_part(path, model)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in source.state_dict().items())


def test_a_part_is_loaded_and_names_that_start_alike_are_not(other):
    source, path = other
    model = Model()
    projection = model.encoder_proj.weight.clone()
    load_part(f"{path}:encoder:encoder", model)
    assert torch.equal(model.encoder[0].weight, source.encoder[0].weight)
    assert torch.equal(model.encoder_proj.weight, projection)


def test_excluded_names_keep_their_values(other):
    source, path = other
    model = Model()
    kept = model.encoder[1].weight.clone()
    load_part(f"{path}:encoder:encoder:encoder.1", model)
    assert torch.equal(model.encoder[1].weight, kept)
    assert torch.equal(model.encoder[0].bias, source.encoder[0].bias)


def test_another_shape_is_refused_unless_it_is_allowed(other):
    _, path = other
    model = Model(width=5)
    with pytest.raises(CheckpointError, match=r"of another shape: encoder\.0\.weight"):
        load_part(path, model)
    load_part(path, model, ignore_init_mismatch=True)
    assert torch.equal(model.encoder_proj.weight, other[0].encoder_proj.weight)


def test_a_missing_name_is_refused(tmp_path):
    torch.save(Model().encoder.state_dict(), tmp_path / "part.pth")
    with pytest.raises(CheckpointError, match="missing: "):
        load_part(f"{tmp_path}/part.pth", Model())


@pytest.mark.parametrize(
    ("suffix", "error", "message"),
    [
        (":decoder:encoder", CheckpointError, "has no 'decoder'; it has encoder, encoder_proj"),
        (":encoder:encodr", ConfigError, "did you mean 'encoder'"),
        (":encoder:encoder:encoder.7", CheckpointError, r"is called 'encoder\.7'"),
        (":a:b:c:d", ConfigError, "the form is FILE:SRC:DST:EXCLUDE"),
    ],
)
def test_wrong_names_are_named(other, suffix, error, message):
    with pytest.raises(error, match=message):
        load_part(other[1] + suffix, Model())
