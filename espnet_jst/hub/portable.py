"""Making files fit to be given away: relative paths, no trace of the computer that they were made on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from espnet_jst.errors import CheckpointError
from espnet_jst.untrusted.config_file import TRAINING_ONLY_KEYS, find_file, map_strings

_WEIGHT_SUFFIXES = {".pth", ".pt", ".safetensors", ".npz", ".npy"}  # numbers: any bytes may occur in them
_PATH = re.compile(rb"(?<![\w.:/\-])/(?!\.+/)([A-Za-z0-9_.\-]+)/[A-Za-z0-9_.\-]")  # "/./" occurs in pictures
_ROOTS = {b"home", b"root", b"tmp", b"Users", b"mnt", b"opt", b"srv", b"var", b"usr", b"data", b"export", b"scratch"}


def portable_config(config: dict[str, Any], config_path: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """A copy of a training configuration in which every file is named relative to the pack.

    What only the training run used (data, output folder, initial weights) is emptied.

    Args:
        config_path: where it lies; its files are looked for from there.

    Returns:
        The configuration, and {name in the pack: file} for the files to pack.

    Raises:
        CheckpointError: it names an absolute path at which there is no file.
    """
    files: dict[str, Path] = {}

    def relative(keys: tuple, value: str) -> str:
        found = find_file(value, config_path)
        if found is not None:
            return _add(files, found.resolve(), ".".join(map(str, keys)))
        if value.startswith("/") and _absolute_paths(value.encode()):
            name = ".".join(map(str, keys))
            raise CheckpointError(f"{config_path}: {name} names {value}, which is not there to pack")
        return value

    emptied = {
        key: ([] if isinstance(value, (list, tuple)) else None) if key in TRAINING_ONLY_KEYS else value
        for key, value in config.items()
    }
    return map_strings(emptied, relative), files


def _add(files: dict[str, Path], path: Path, key: str) -> str:
    """The file's name in the pack: its own, in a folder named by the key where another file has that name."""
    for name in (path.name, f"{key}/{path.name}"):
        if files.get(name, path) == path:
            files[name] = path
            return name
    raise CheckpointError(f"{path}: a second file of this name under {key}; rename one")


def strip_sentencepiece(data: bytes) -> bytes:
    """A SentencePiece model without the paths of its training text; anything else is given back as it is."""
    from google.protobuf.message import DecodeError
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return data
    if not model.pieces or not (model.trainer_spec.input or model.trainer_spec.model_prefix):
        return data
    model.trainer_spec.ClearField("input")
    model.trainer_spec.ClearField("model_prefix")
    return model.SerializeToString()


def check_portable(folder: Path) -> None:
    """Refuse absolute paths of this computer in any file of the folder, weights excepted.

    Raises:
        CheckpointError: names the file and the path.
    """
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        if path.suffix in _WEIGHT_SUFFIXES:
            continue
        found = _absolute_paths(path.read_bytes())
        if found:
            raise CheckpointError(
                f"{path.name}: holds the absolute path {found[0]!r}; a pack must not, write it relative to the recipe"
            )


def _absolute_paths(data: bytes) -> list[str]:
    """Paths whose first folder is a usual one or exists here ("/km/h" is none)."""
    return [
        data[match.start() : match.end() + 60].split()[0].decode("utf-8", "replace")
        for match in _PATH.finditer(data)
        if match[1] in _ROOTS or Path("/" + match[1].decode()).is_dir()
    ]
