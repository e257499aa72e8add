"""Training configurations that came from elsewhere, and the files that they name.

A packed config.yaml names its files relative to itself and is never rewritten: the paths are made absolute here, each
time it is read. The config.yaml of an experiment names them relative to the folder that the recipe ran in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from espnet_jst import plain_yaml
from espnet_jst.config import shown
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.untrusted.file_names import check_name

# Files of the training run, of no use to a reader of the model; packs leave them out.
TRAINING_ONLY_KEYS = frozenset(
    {
        *("config", "output_dir", "init_param", "pretrain_path", "rir_scp", "noise_scp", "dist_init_method"),
        *("train_shape_file", "train_data_path_and_name_and_type", "train_groups"),
        *("valid_shape_file", "valid_data_path_and_name_and_type"),
        *("wandb_project", "wandb_id", "wandb_entity", "wandb_name"),
    }
)
VOCABULARY_KEYS = frozenset({"token_list", "src_token_list"})  # lists of tokens, none of them a path
# Where a string names a file, or may: what a model is made from when it is loaded.
FILE_KEYS = frozenset({"token_list", "src_token_list", "bpemodel", "src_bpemodel", "stats_file", "unit_set"})
_MODEL_CONFS = frozenset({f"{name}_conf" for name in ("frontend", "specaug", "normalize", "encoder", "hier_encoder")})
_PICKLES = frozenset({".pth", ".pt", ".ckpt", ".bin", ".pkl", ".pickle", ".joblib", ".th"})
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML mapping, read as plain data: mappings with text as keys, lists, text, numbers, true, false and null.

    Raises:
        CheckpointError: the file is missing, over 1 MiB, not a mapping, has aliases (bombs are made of them), tags,
            deep nesting, a key twice, dates, numbers without a sensible value, or asks for code: a `_target_`, or a
            `trust_remote_code` that is true.
    """
    try:
        return plain_yaml.read(path)
    except ConfigError as error:
        raise CheckpointError(str(error)) from error


def map_strings(value: Any, change: Callable[[tuple, str], Any], keys: tuple = ()) -> Any:
    """A copy in which every string outside of the vocabulary and training-only keys went through `change(keys, s)`."""
    if keys and keys[0] in VOCABULARY_KEYS | TRAINING_ONLY_KEYS and not isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: map_strings(item, change, (*keys, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [map_strings(item, change, keys) for item in value]
    if isinstance(value, str) and not (keys and keys[0] in TRAINING_ONLY_KEYS):
        return change(keys, value)
    return value


def find_file(value: str, config_path: Path) -> Path | None:
    """The existing file that a configuration value names, or None.

    Looked for beside the configuration, then in the folders above it (a recipe runs two or three folders above
    `exp/<tag>/config.yaml`), then in the current folder.
    """
    if not _may_be_path(value):
        return None
    folder = config_path.resolve().parent
    for root in (folder, *list(folder.parents)[:3], Path.cwd()):
        candidate = root / Path(value)
        if candidate.is_file():
            return candidate
    return None


def _may_be_path(value: str) -> bool:
    """Choices such as "conformer" are no paths, even where a file of that name lies about."""
    return 0 < len(value) < 1000 and value.isprintable() and ("/" in value or "." in value)


def pack_root(config_path: str | Path) -> Path | None:
    """The folder of the pack that the configuration belongs to: the one whose `meta.yaml` names it; None outside.

    Any value counts, in a `meta.yaml` that we would refuse too: ESPnet's own unpacker takes it, and a configuration
    that is taken for somebody's own may name files of anywhere.
    """
    path = Path(config_path).absolute()
    for folder in path.parents:
        meta = folder / "meta.yaml"
        if meta.is_file() and any(_is_same(folder, name, path) for name in _scalars(meta)):
            return folder
    return None


def _scalars(path: Path) -> Iterator[str]:
    """The values of a YAML file, as far as it is one that can be read."""
    try:
        plain_yaml.check_size(path)
        for event in yaml.parse(path.read_bytes(), Loader=plain_yaml.Loader):
            if isinstance(event, yaml.ScalarEvent):
                yield event.value
    except (OSError, UnicodeError, yaml.YAMLError):  # of something else, such as a template
        return


def _is_same(folder: Path, name: str, path: Path) -> bool:
    """Whether the name in a folder means the file, in whatever way it is spelt."""
    try:
        return (folder / name).samefile(path)
    except (OSError, ValueError):
        return False


def read_config(path: str | Path) -> dict[str, Any]:
    """A training configuration with the paths of its files made absolute; the file itself is left as it is.

    Raises:
        CheckpointError: see `read_yaml`; or the configuration of a pack names a file that is not in the pack.
    """
    path = Path(path)
    root = pack_root(path)

    def absolute(keys: tuple, value: str) -> str:
        if root is not None:
            return _absolute_in_pack(keys, value, root, f"{path}: {'.'.join(map(str, keys))}")
        found = find_file(value, path)
        return str(found.resolve()) if found else value

    return map_strings(read_yaml(path), absolute)


def _absolute_in_pack(keys: tuple, value: str, root: Path, where: str) -> str:
    """What a string of a packed configuration means: a file of the pack, or itself. Never a file of anywhere else."""
    if Path(value).is_absolute() and Path(value).is_relative_to(root):  # ESPnet's unpacker rewrites the configuration
        value = str(Path(value).relative_to(root))
    if value.startswith(("/", "~", "\\")) or ".." in Path(value).parts or _DRIVE.match(value):
        raise CheckpointError(f"{where}: {shown(value)} lies outside of the pack; refused")
    names_file = bool(FILE_KEYS.intersection(keys[:1] + keys[-1:]))
    if (names_file or _may_be_path(value)) and _is_file(root, value):
        if Path(value).suffix.lower() in _PICKLES:
            raise CheckpointError(f"{where}: {shown(value)} may be a pickle; weights in a pack are safetensors")
        return str(resolve_inside(value, root, where))
    # A class that takes the name for a file would read that of the folder in which somebody happens to be.
    if names_file or (keys[0] in _MODEL_CONFS and value and _is_there(value)):
        raise CheckpointError(f"{where}: the file {shown(value)} is not in the pack; refused, no other is read")
    return value


def _is_file(root: Path, value: str) -> bool:
    return value.isprintable() and len(value) < 1000 and bool(value) and (root / value).is_file()


def _is_there(value: str) -> bool:
    """Whether the current folder has something of this name."""
    try:
        return os.path.lexists(value)
    except ValueError:  # a NUL
        return True


def resolve_inside(name: str, folder: Path, where: str) -> Path:
    """The path of `name` in the folder, which it may not leave, by links neither.

    The one exception: a snapshot of the hub's cache, whose files are links into the `blobs` beside it.

    Raises:
        CheckpointError: the name is absolute, has "..", or leads outside.
    """
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name:
        raise CheckpointError(f"{where}: {shown(name)} lies outside of the pack; refused")
    check_name(name, where)
    folder = folder.absolute()
    allowed = [folder.resolve()]
    if folder.parent.name == "snapshots":
        allowed.append(folder.parent.parent.resolve() / "blobs")
    target = (folder / relative).resolve()
    if not any(target.is_relative_to(root) for root in allowed):
        raise CheckpointError(f"{where}: {name!r} is a link that leads outside of the pack; refused")
    return folder / relative
