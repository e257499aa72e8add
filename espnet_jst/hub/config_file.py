"""Reading configuration files that came from elsewhere, and finding the files that they name.

A packed config.yaml names its files relative to itself and is never rewritten: the paths are made absolute here, each
time it is read. The config.yaml of an experiment names them relative to the folder that the recipe ran in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from espnet_jst.errors import CheckpointError

MAX_CONFIG_BYTES = 2**20
MAX_CONFIG_DEPTH = 50
# Files of the training run, of no use to a reader of the model; packs leave them out.
TRAINING_ONLY_KEYS = frozenset(
    {
        *("config", "output_dir", "init_param", "pretrain_path", "rir_scp", "noise_scp", "dist_init_method"),
        *("train_shape_file", "train_data_path_and_name_and_type"),
        *("valid_shape_file", "valid_data_path_and_name_and_type"),
        *("wandb_project", "wandb_id", "wandb_entity", "wandb_name"),
    }
)
VOCABULARY_KEYS = frozenset({"token_list", "src_token_list"})  # lists of tokens, none of them a path
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML mapping, read as plain data.

    Raises:
        CheckpointError: the file is missing, over 1 MiB, not a mapping, has aliases (bombs are made of them), tags,
            deep nesting, or asks for code: a `_target_`, or a `trust_remote_code` that is true.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise CheckpointError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes; no configuration is")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    try:
        _check_events(text, path)
        loaded = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise CheckpointError(f"{path}: not plain YAML ({error})") from error
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path}: holds no mapping of keys to values")
    for keys, value in leaves(loaded):
        if "_target_" in keys or ("trust_remote_code" in keys and value):
            raise CheckpointError(f"{path}: {'.'.join(map(str, keys))} asks to run code from elsewhere; refused")
    return loaded


def _check_events(text: str, path: Path) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise CheckpointError(f"{path}: line {line} has an alias; refused, write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_CONFIG_DEPTH:
            raise CheckpointError(f"{path}: nested deeper than {MAX_CONFIG_DEPTH}; refused")


def leaves(value: Any, keys: tuple = ()) -> Iterator[tuple[tuple, Any]]:
    """(keys on the way, value) of everything that is neither a mapping nor a list."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*keys, key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from leaves(item, keys)
    else:
        yield keys, value


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
    """The folder of the pack that the configuration belongs to: the one whose `meta.yaml` lists it; None outside."""
    path = Path(config_path).absolute()
    for folder in list(path.parents)[:4]:
        if (folder / "meta.yaml").is_file():
            listed = read_yaml(folder / "meta.yaml").get("yaml_files")
            if isinstance(listed, dict) and path.relative_to(folder).as_posix() in listed.values():
                return folder
    return None


def read_config(path: str | Path) -> dict[str, Any]:
    """A training configuration with the paths of its files made absolute; the file itself is left as it is.

    Raises:
        CheckpointError: see `read_yaml`; or the configuration of a pack names a file outside of it.
    """
    path = Path(path)
    root = pack_root(path)

    def absolute(keys: tuple, value: str) -> str:
        if root is not None:
            return _absolute_in_pack(value, root, f"{path}: {'.'.join(map(str, keys))}")
        found = find_file(value, path)
        return str(found.resolve()) if found else value

    return map_strings(read_yaml(path), absolute)


def _absolute_in_pack(value: str, root: Path, where: str) -> str:
    if Path(value).is_absolute() and Path(value).is_relative_to(root):  # ESPnet's unpacker rewrites the configuration
        value = str(Path(value).relative_to(root))
    if value.startswith(("/", "~")) or ".." in Path(value).parts:
        raise CheckpointError(f"{where}: {value!r} lies outside of the pack; refused")
    if _may_be_path(value) and (root / value).is_file():
        return str(resolve_inside(value, root, where))
    return value


def resolve_inside(name: str, folder: Path, where: str) -> Path:
    """The path of `name` in the folder, which it may not leave, by links neither.

    The one exception: a snapshot of the hub's cache, whose files are links into the `blobs` beside it.

    Raises:
        CheckpointError: the name is absolute, has "..", or leads outside.
    """
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts or "\\" in name:
        raise CheckpointError(f"{where}: {name!r} lies outside of the pack; refused")
    folder = folder.absolute()
    allowed = [folder.resolve()]
    if folder.parent.name == "snapshots":
        allowed.append(folder.parent.parent.resolve() / "blobs")
    target = (folder / relative).resolve()
    if not any(target.is_relative_to(root) for root in allowed):
        raise CheckpointError(f"{where}: {name!r} is a link that leads outside of the pack; refused")
    return folder / relative
