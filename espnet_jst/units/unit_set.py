"""A set of units: the centroids, and what they are centroids of. Its digest tells it from every other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from espnet_jst.config import read_json
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.weights import atomic_save

ABOUT, CENTROIDS = "units.json", "centroids.safetensors"
MAX_NUMBERS = 1 << 28  # 1 GB of centroids: 65,536 units of 4,096 features


@dataclass(frozen=True)
class UnitSet:
    """What has to be equal for two files of units to mean the same.

    Attributes:
        features: what was clustered: the encoder with a digest of its weights, the layer, the frame shift in seconds.
        centroids: (K, D), float32.
    """

    features: Mapping[str, Any]
    centroids: Tensor

    @property
    def clusters(self) -> int:
        """Number of units."""
        return len(self.centroids)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of the SHA-256 of features and centroids."""
        hashed = hashlib.sha256(json.dumps(self.features, sort_keys=True).encode())
        hashed.update(repr(tuple(self.centroids.shape)).encode())
        hashed.update(self.centroids.contiguous().numpy().tobytes())
        return hashed.hexdigest()[:16]

    def about(self) -> dict[str, Any]:
        """What `units.json` says, and a file of units beside it."""
        return {"digest": self.digest, "clusters": self.clusters, "features": dict(self.features)}

    def save(self, folder: str | Path, **more: Any) -> None:
        """Write `centroids.safetensors` and `units.json`, which comes last: where it is, the set is complete.

        Args:
            more: what else is known of it, such as how it was made; it is not part of the digest.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{CENTROIDS}.tmp"
        save_file({"centroids": self.centroids.contiguous()}, partial)
        partial.replace(folder / CENTROIDS)
        text = json.dumps({**self.about(), **more}, indent=1) + "\n"
        atomic_save(lambda stream: stream.write(text.encode()), folder / ABOUT)

    @classmethod
    def load(cls, folder: str | Path) -> UnitSet:
        """Read a set.

        Raises:
            ConfigError: there is none, or its files do not belong together.
        """
        folder = Path(folder)
        about, path = read_json(folder / ABOUT), folder / CENTROIDS
        features, clusters = about.get("features"), about.get("clusters")
        if not path.is_file() or not isinstance(features, dict) or type(clusters) is not int:
            raise ConfigError(f"{folder} holds no unit set ({ABOUT} and {CENTROIDS}): learn one, or correct the folder")
        if path.stat().st_size > 4 * MAX_NUMBERS + 2**20:
            raise ConfigError(f"{path} is larger than centroids are")
        try:
            centroids = load_file(path)["centroids"].float()
        except Exception as error:  # those of safetensors
            raise ConfigError(f"{path} is damaged ({error}): learn the units again") from error
        if centroids.dim() != 2 or not torch.isfinite(centroids).all():
            raise ConfigError(f"{path} holds no centroids: learn the units again")
        found = cls(features, centroids)
        if found.digest != about.get("digest"):
            raise ConfigError(f"{folder}: {ABOUT} and {CENTROIDS} are of two unit sets: learn the units again")
        return found


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
    theirs, ours = ({"clusters": x.get("clusters"), **(x.get("features") or {})} for x in (found, wanted))
    differ = [
        f"{key} {theirs.get(key)!r}, not {ours.get(key)!r}"
        for key in dict.fromkeys([*ours, *theirs])
        if theirs.get(key) != ours.get(key)
    ]
    why = "; ".join(differ) or "the centroids differ"
    raise DataError(f"{where} has units of another set ({why}): extract them again with this one")
