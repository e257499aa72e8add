"""A unit set is what its digest says, in a folder and beside a file of units."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.units.unit_set import ABOUT, CENTROIDS, UnitSet, check_same

FEATURES = {"encoder": "whisper", "weights": "0123", "layer": 5, "shift_s": 0.02}


def units(seed: int = 0, **features: object) -> UnitSet:
    return UnitSet({**FEATURES, **features}, torch.randn(7, 3, generator=torch.Generator().manual_seed(seed)))


def test_a_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    units().save(tmp_path / "set", inertia=1.5)
    found = UnitSet.load(tmp_path / "set")
    assert found.digest == units().digest and torch.equal(found.centroids, units().centroids)
    assert json.loads((tmp_path / "set" / ABOUT).read_text())["inertia"] == 1.5
    assert not list((tmp_path / "set").glob(".*"))


def test_whatever_differs_gives_another_digest() -> None:
    assert len({units().digest, units(seed=1).digest, units(layer=6).digest, units(weights="4567").digest}) == 4


def test_units_of_another_set_are_refused_with_what_differs() -> None:
    check_same(units().about(), units().about(), "units")
    with pytest.raises(DataError, match=r"train/units has units of another set \(layer 6, not 5\)"):
        check_same(units(layer=6).about(), units().about(), "train/units")
    with pytest.raises(DataError, match="the centroids differ"):
        check_same(units(seed=1).about(), units().about(), "units")
    with pytest.raises(DataError, match="clusters None, not 7"):
        check_same({}, units().about(), "units")


@pytest.mark.parametrize("damage", ["none", "cut", "mixed", "shape", "nan"])
def test_a_damaged_set_is_one_message(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "set"
    if damage != "none":
        units().save(folder)
    if damage == "cut":
        (folder / CENTROIDS).write_bytes((folder / CENTROIDS).read_bytes()[:50])
    elif damage == "mixed":
        units(seed=1).save(tmp_path / "other")
        (tmp_path / "other" / CENTROIDS).replace(folder / CENTROIDS)
    elif damage in ("shape", "nan"):
        wrong = torch.zeros(3) if damage == "shape" else torch.full((7, 3), torch.nan)
        UnitSet(FEATURES, wrong).save(folder)
    with pytest.raises(ConfigError, match=f"{folder}.*(learn|damaged)"):
        UnitSet.load(folder)
