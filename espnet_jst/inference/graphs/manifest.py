"""What an exported folder says of itself, and whether its files are those that were written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet_jst.config import json_text, shown
from espnet_jst.encoders.interface import ChunkContext
from espnet_jst.errors import CheckpointError
from espnet_jst.hub.safe_archive import file_sha256
from espnet_jst.untrusted.config_file import resolve_inside

MANIFEST, FORMAT = "export.json", 1
CONFIG = "config.yaml"
_MAX_BYTES = 2**24


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The parts that a reader needs; `said` is for people and other runtimes.

    Attributes:
        contexts: of every encoder, that its graph was made for.
        weights: "fp32" or "int8".
        files: SHA-256 of every file of the folder but this one.
        said: name, licence, languages, chunk, state shapes and so on.
    """

    contexts: dict[str, ChunkContext]
    weights: str
    files: dict[str, str]
    said: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write it into the folder."""
        contexts = {
            name: {"chunk_frames": one.chunk_frames, "left_chunks": one.left_chunks}
            for name, one in self.contexts.items()
        }
        values = {
            "format": FORMAT,
            **self.said,
            "weights": self.weights,
            "contexts": contexts,
            "files": self.files,
        }
        (folder / MANIFEST).write_text(json_text(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def is_exported(path: str | Path) -> bool:
    """Whether a path is a folder that was exported."""
    return (Path(path).expanduser() / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder, its files verified.

    Raises:
        CheckpointError: it is damaged or of another version, or a file is missing or another one.
    """
    where = folder / MANIFEST
    try:
        if where.stat().st_size > _MAX_BYTES:
            raise ValueError(f"over {_MAX_BYTES} bytes")
        values = json.loads(where.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{where} is damaged ({error}): export the model again") from error
    if values.get("format") != FORMAT:
        raise CheckpointError(
            f"{where} has format {shown(values.get('format'))}, and this version reads {FORMAT}: export the model again"
        )
    files = _table(values, "files", where)
    if not all(isinstance(digest, str) for digest in files.values()):
        raise CheckpointError(f"{where} is damaged: files must be names with their SHA-256")
    manifest = Manifest(
        contexts={name: _context(entry, where) for name, entry in _table(values, "contexts", where).items()},
        weights=str(values.get("weights")),
        files=files,
    )
    for name, digest in files.items():
        path = resolve_inside(name, folder, str(where))
        if not path.is_file():
            raise CheckpointError(f"{path}: named by {MANIFEST}, but missing; copy the folder or export again")
        if file_sha256(path) != digest:
            raise CheckpointError(f"{path}: its SHA-256 differs from {MANIFEST}'s; copy the folder or export again")
    return manifest


def check_listed(manifest: Manifest, names: Sequence[str], folder: Path) -> None:
    """Refuse a folder whose manifest does not vouch for all that will be read.

    Raises:
        CheckpointError: names the file.
    """
    for name in names:
        if name not in manifest.files:
            raise CheckpointError(f"{folder / MANIFEST} names no {name}, which this model needs: export it again")


def _table(values: Mapping[str, Any], key: str, where: Path) -> dict[str, Any]:
    table = values.get(key)
    if not isinstance(table, dict):
        raise CheckpointError(f"{where} is damaged: {key} is {shown(table)}; export the model again")
    return table


def _context(entry: object, where: Path) -> ChunkContext:
    said = [entry.get(key) for key in ("chunk_frames", "left_chunks")] if isinstance(entry, dict) else []
    numbers = [n for n in said if type(n) is int and 0 <= n < 2**16]
    if len(numbers) < 2 or not numbers[0]:
        raise CheckpointError(f"{where} is damaged: a context is {shown(entry)}; export the model again")
    return ChunkContext(*numbers)
