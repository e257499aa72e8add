"""Weights in fewer bytes: what comes back, and files that are not what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.stored_weights import FACTOR, restored, rounding, stored
from espnet_jst.weights import read_weights

LOUDNESS = torch.tensor([1e-6, 1, 50, 0])[:, None, None]
STATE = {
    "linear": torch.randn(8, 32, generator=torch.Generator().manual_seed(0)),
    "kernel": torch.randn(4, 5, 7, generator=torch.Generator().manual_seed(1))
    * torch.tensor([1e-6, 1, 50, 0])[:, None, None],
    "narrow": torch.randn(40, 3),
    "bias": torch.randn(8),
    "huge": torch.tensor([[1e30] * 4]),
    "steps": torch.tensor([3, 2**40]),
}


@pytest.mark.parametrize(("kind", "error"), [("fp32", 0.0), ("fp16", 1e-3), ("int8", 0.5 / 127 * 1.01)])
def test_a_row_comes_back_to_a_share_of_its_largest_number(kind: str, error: float) -> None:
    again = restored(stored(STATE, kind), "x")
    assert again.keys() == STATE.keys()
    for name, value in STATE.items():
        assert again[name].dtype == value.dtype and again[name].shape == value.shape
        largest = value.abs().flatten(1).amax(dim=1) if value.dim() > 1 else value.abs()
        off = (again[name] - value).abs()
        off = off.flatten(1).amax(dim=1) if value.dim() > 1 else off
        assert bool((off <= error * largest + 1e-7).all()), name


def test_the_bytes_are_a_quarter_and_the_loss_is_said(tmp_path: Path) -> None:
    state = {"a": torch.randn(256, 256), "b": torch.randn(256)}
    save_file(stored(state, "int8"), tmp_path / "small.safetensors")
    save_file(state, tmp_path / "large.safetensors")
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("small", "large")]
    assert sizes[0] < 0.27 * sizes[1]
    lost = rounding(state, stored(state, "int8"))
    assert 0.002 < lost.error < 0.012 and lost.worst == pytest.approx(lost.error) and lost.name == "a"
    assert str(lost).endswith("(a)") and rounding(state, stored(state, "fp32")).error == 0.0
    read = read_weights(tmp_path / "small.safetensors")
    assert torch.equal(read["a"], restored(stored(state, "int8"), "x")["a"]) and torch.equal(read["b"], state["b"])


@pytest.mark.parametrize(
    "tensors",
    [
        {f"a{FACTOR}": torch.ones(2)},
        {"a": torch.ones(2, 3), f"a{FACTOR}": torch.ones(2)},
        {"a": torch.ones(2, 3, dtype=torch.int8), f"a{FACTOR}": torch.ones(3)},
        {"a": torch.ones(2, 3, dtype=torch.int8), f"a{FACTOR}": torch.ones(2, dtype=torch.int64)},
        {"a": torch.ones(2, dtype=torch.int8), f"a{FACTOR}": torch.ones(2)},
    ],
)
def test_factors_that_do_not_fit_are_refused(tensors: dict, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="a@factor fits no rows of int8 in a"):
        read_weights(tmp_path / "x.safetensors")


def test_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="'int4' is not one of"):
        stored(STATE, "int4")
