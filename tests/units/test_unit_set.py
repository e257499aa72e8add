"""A unit set is what its digest says, in one file and beside a file of units."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from espnet_jst.errors import CheckpointError, DataError
from espnet_jst.units.unit_set import UnitSet, check_same

FEATURES = {"frontend": "pretrained", "frontend_conf": {"layer": 5}}


def units(seed: int = 0, layer: int = 5, weight: float = 1.0) -> UnitSet:
    features = {**FEATURES, "frontend_conf": {"layer": layer}}
    centroids = torch.randn(7, 3, generator=torch.Generator().manual_seed(seed))
    return UnitSet(features, centroids, {"a.weight": torch.full((2, 2), weight)})


def test_a_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    units().save(tmp_path / "exp" / "units.safetensors")
    found = UnitSet.load(tmp_path / "exp" / "units.safetensors")
    assert found.digest == units().digest and torch.equal(found.centroids, units().centroids)
    assert found.features == FEATURES and torch.equal(found.weights["a.weight"], torch.ones(2, 2))
    assert [path.name for path in (tmp_path / "exp").iterdir()] == ["units.safetensors"]


def test_whatever_differs_gives_another_digest() -> None:
    assert len({units().digest, units(seed=1).digest, units(layer=6).digest, units(weight=2.0).digest}) == 4


def test_units_of_another_set_are_refused_with_what_differs() -> None:
    check_same(units().about(), units().about(), "units")
    with pytest.raises(DataError, match=r"train/units has units of another set \(frontend_conf.layer 6, not 5\)"):
        check_same(units(layer=6).about(), units().about(), "train/units")
    with pytest.raises(DataError, match="the centroids or weights differ"):
        check_same(units(seed=1).about(), units().about(), "units")
    with pytest.raises(DataError, match="clusters None, not 7"):
        check_same({}, units().about(), "units")


@pytest.mark.parametrize("damage", ["none", "cut", "text", "other", "changed", "nan"])
def test_a_damaged_set_is_one_message(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "units.safetensors"
    if damage != "none":
        (units() if damage != "nan" else UnitSet(FEATURES, torch.full((7, 3), torch.nan))).save(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:50])
    elif damage == "text":
        path.write_text("0 1 2")
    elif damage == "other":
        save_file({"x": torch.zeros(3)}, path)
    elif damage == "changed":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        assert load_file(path)
    with pytest.raises(CheckpointError, match=f"{path}.*(learn)"):
        UnitSet.load(path)
