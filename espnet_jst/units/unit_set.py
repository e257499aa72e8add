"""A set of units in one file: the centroids, what they are centroids of, and the weights that make it from audio."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from espnet_jst.config import json_text
from espnet_jst.errors import CheckpointError, DataError

CENTROIDS, WEIGHTS, ABOUT = "centroids", "features.", "unit_set"
MAX_ABOUT = 2**20


@dataclass(frozen=True)
class UnitSet:
    """What has to be equal for two files of units to mean the same.

    Attributes:
        features: what was clustered, such as {"frontend": "pretrained", "frontend_conf": {...}}.
        centroids: (K, D), float32.
        weights: of what computes the features; none where nothing is trained.
    """

    features: Mapping[str, Any]
    centroids: Tensor
    weights: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def clusters(self) -> int:
        """Number of units."""
        return len(self.centroids)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of the SHA-256 of features, weights and centroids."""
        hashed = hashlib.sha256(json_text(dict(self.features), sort_keys=True).encode())
        for name, tensor in sorted({**self.weights, CENTROIDS: self.centroids}.items()):
            hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            hashed.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return hashed.hexdigest()[:16]

    def about(self) -> dict[str, Any]:
        """What a file of units says of its set."""
        return {"digest": self.digest, "clusters": self.clusters, "features": dict(self.features)}

    def save(self, path: str | Path) -> None:
        """Write the file; it appears whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {CENTROIDS: self.centroids, **{f"{WEIGHTS}{name}": value for name, value in self.weights.items()}}
        partial = path.with_name(f".{path.name}.tmp")
        # Copies: tensors of a model may share their memory, which safetensors refuses.
        kept = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        save_file(kept, partial, metadata={ABOUT: json_text(self.about())})
        partial.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> UnitSet:
        """Read a set; nothing in the file is executed.

        Raises:
            CheckpointError: it is missing, damaged, or something else.
        """
        path, tensors = Path(path), dict[str, Tensor]()
        if not path.is_file():
            raise CheckpointError(f"{path}: there is no such file; `espnet-jst units learn` makes a unit set")
        try:
            about = _read_about(path)
            tensors = load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged or no unit set ({error}): learn the units again") from error
        centroids = tensors.pop(CENTROIDS, torch.zeros(0))
        if not isinstance(about, dict) or not isinstance(about.get("features"), dict) or centroids.dim() != 2:
            raise CheckpointError(f"{path} is no unit set: `espnet-jst units learn` makes one")
        weights = {name.removeprefix(WEIGHTS): tensor for name, tensor in tensors.items()}
        found = cls(about["features"], centroids.float(), weights)
        if not torch.isfinite(found.centroids).all() or found.digest != about.get("digest"):
            raise CheckpointError(f"{path} is not as it was written: learn the units again")
        return found


def _read_about(path: Path) -> Any:
    with safe_open(path, framework="pt") as file:
        return json.loads(((file.metadata() or {}).get(ABOUT) or "{}")[:MAX_ABOUT])


def frontend_of(path: str | Path) -> str:
    """What a file of a unit set names as the frontend of its features; empty for any other file."""
    try:
        about = _read_about(Path(path))
    except (SafetensorError, OSError, ValueError):
        return ""
    features = about.get("features") if isinstance(about, dict) else None
    return str(features.get("frontend", "")) if isinstance(features, dict) else ""


def check_same(found: Mapping[str, Any], wanted: Mapping[str, Any], where: str) -> None:
    """Refuse units of another set.

    Args:
        found, wanted: `UnitSet.about` of the units that are there, and of those that are needed.
        where: the file, for the message.

    Raises:
        DataError: says what differs.
    """
    if found.get("digest") == wanted.get("digest"):
        return
    theirs, ours = ({"clusters": x.get("clusters"), **_flat(x.get("features") or {})} for x in (found, wanted))
    differ = [
        f"{key} {theirs.get(key)!r}, not {ours.get(key)!r}"
        for key in dict.fromkeys([*ours, *theirs])
        if theirs.get(key) != ours.get(key)
    ]
    why = "; ".join(differ[:3]) or "the centroids or weights differ"
    raise DataError(f"{where} has units of another set ({why}): extract them again with this one")


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as `frontend_conf.layer`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
