"""Files of units: a line an utterance, as Kaldi's tables, and beside it whose units they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_jst.config import json_text, read_json
from espnet_jst.data import kaldi
from espnet_jst.errors import DataError
from espnet_jst.units.alphabet import from_text
from espnet_jst.units.unit_set import check_same


def about_file(path: Path) -> Path:
    """Where a file of units says of which set they are."""
    return path.with_name(f"{path.name}.json")


def write_units(path: str | Path, table: Mapping[str, Sequence[int]], about: Mapping[str, Any]) -> None:
    """Write "utterance unit unit ...", a unit a frame, and `UnitSet.about` beside it."""
    path = Path(path)
    kaldi.write_table(path, {key: " ".join(map(str, units)) for key, units in table.items()})
    about_file(path).write_text(json_text(dict(about), indent=1) + "\n", encoding="utf-8")


def read_units(path: str | Path, wanted: Mapping[str, Any] | None = None) -> dict[str, list[int]]:
    """Read them; what ESPnet's `asr2.sh` writes as `pseudo_labels_km*.txt` has the same form, and says no set.

    Args:
        wanted: `UnitSet.about` of the set that they must be of; None takes any.

    Raises:
        DataError: they are of another set, or a line holds something else.
    """
    path = Path(path)
    table, about = kaldi.read_table(path), read_json(about_file(path))
    if wanted is not None:
        check_same(about, wanted, f"{path}")
    clusters = (wanted or about).get("clusters")
    found: dict[str, list[int]] = {}
    for key, line in table.items():
        try:
            units = [int(word) for word in line.split()]
        except ValueError as error:
            raise DataError(f"{path}: {key}: {error}: units are whole numbers") from error
        if units and (min(units) < 0 or (clusters is not None and max(units) >= clusters)):
            raise DataError(f"{path}: {key}: unit {max(units)} is none of the {clusters} units of this set")
        found[key] = units
    return found


def read_unit_text(path: str | Path, wanted: Mapping[str, Any]) -> dict[str, list[int]]:
    """Read units that stand as characters, `text.rm.<...>`, which say no set.

    Args:
        wanted: `UnitSet.about` of the set that they are of.

    Raises:
        DataError: a character stands for none of the units.
    """
    found: dict[str, list[int]] = {}
    for key, line in kaldi.read_table(path).items():
        try:
            found[key] = from_text(line, wanted["clusters"])
        except DataError as error:
            raise DataError(f"{path}: {key}: {error}") from error
    return found
