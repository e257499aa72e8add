"""From what a user has (a zip, a folder, a hub tag) to the arguments of `Speech2Text`."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from espnet_jst.config import shown
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.hub import shelf
from espnet_jst.hub.about import CARD
from espnet_jst.hub.safe_archive import MAX_MEMBERS, file_sha256, unpack_to_cache
from espnet_jst.keys import read
from espnet_jst.search.conf import DecodingConf
from espnet_jst.untrusted.config_file import pack_root, read_yaml, resolve_inside

CONFIG_KEY = "st_train_config"
WEIGHTS_KEY = "st_model_file"
DECODING_KEY = "decoding"
SAFETENSORS = "model.safetensors"
# What a pack may say about decoding: numbers that change neither what is loaded nor where from.
_DECODING = (
    *("beam_size", "blank_penalty", "max_symbols", "chunk_s", "left_chunks", "look_ahead_s"),
    *("ctc_weight", "penalty", "maxlenratio", "minlenratio"),
)
_TAG = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")
# What an experiment folder is asked for, best first; ESPnet averages the best epochs at the end of a run.
_EXPERIMENT_WEIGHTS = (
    SAFETENSORS,
    "valid.loss.ave.pth",
    "valid.*.ave.pth",
    "valid.*.ave_*best.pth",
    "valid.loss.best.pth",
    "valid.*.best.pth",
    "latest.pth",
)


def resolve(tag_or_path: str | Path, *, cache_dir: str | Path | None = None) -> dict[str, str]:
    """Find a model's configuration and weights.

    Args:
        tag_or_path: a packed zip; a folder: an unpacked pack, or an experiment with config.yaml and weights; the name
            of a pack of the project's tree (`shelf`); or a hub tag `owner/name`, better `owner/name@revision`. What
            exists as a path is never taken for a name or a tag.
        cache_dir: where zips are unpacked, by default $JST_CACHE or ~/.cache/espnet_jst. Folders and the hub's cache
            are only read.

    Returns:
        `{"st_train_config": path, "st_model_file": path}`, absolute; safetensors weights are preferred.

    Raises:
        CheckpointError: nothing is there, it is not a pack of this kind, its checksums differ, or it is unsafe.
    """
    path = Path(tag_or_path).expanduser()
    if path.is_dir():
        folder = path.absolute()
        return read_pack(folder) if (folder / "meta.yaml").is_file() else _read_experiment(folder)
    if path.is_file():
        return _resolve_archive(path, cache_dir)
    if _TAG.fullmatch(str(tag_or_path)):
        return read_pack(_download(str(tag_or_path)))
    named = shelf.packs()
    if str(tag_or_path) in named:
        return _resolve_archive(named[str(tag_or_path)], cache_dir)
    raise CheckpointError(
        f"{tag_or_path}: no such zip or folder, not a hub tag of the form owner/name@revision, and no pack of this "
        f"tree ({', '.join(named) or 'it has none'})"
    )


def decoding_options(config: str | Path) -> dict[str, Any]:
    """How a pack is meant to decode: search and chunk of the decoding configuration that was packed with it.

    Returns:
        Arguments of `Speech2Text`; none for an experiment's folder, or a pack that has no such file.

    Raises:
        CheckpointError: the file is missing, or a value is not a number.
    """
    root = pack_root(config)
    name = read_yaml(root / "meta.yaml").get(DECODING_KEY) if root else None
    if root is None or name is None:
        return {}
    if not isinstance(name, str):
        raise CheckpointError(f"{root / 'meta.yaml'}: {DECODING_KEY} is {shown(name)}: it must name a file")
    path = resolve_inside(name, root, str(root / "meta.yaml"))
    values = {key: value for key, value in read_yaml(path).items() if key in _DECODING}
    try:
        read(DecodingConf, values, str(path))
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    return values


def find_config(tag_or_path: str | Path) -> Path:
    """As `resolve`, the configuration alone: of a hub's repository nothing but YAML files is downloaded.

    Raises:
        CheckpointError: see `resolve`.
    """
    if Path(tag_or_path).expanduser().exists() or not _TAG.fullmatch(str(tag_or_path)):
        return Path(resolve(tag_or_path)[CONFIG_KEY])
    folder = _download(str(tag_or_path), only="*.yaml")
    name = _section(read_yaml(folder / "meta.yaml"), "yaml_files", folder / "meta.yaml").get(CONFIG_KEY)
    if name is None:
        raise CheckpointError(f"{tag_or_path}: names no {CONFIG_KEY}: a pack of another task")
    return resolve_inside(name, folder, str(folder / "meta.yaml"))


def _resolve_archive(path: Path, cache_dir: str | Path | None) -> dict[str, str]:
    """Twice, because the copy in the cache may be damaged; what is wrong the second time is wrong in the zip."""
    for attempt in ("cached", "fresh"):
        folder = unpack_to_cache(path, cache_dir)
        try:
            return read_pack(folder)
        except CheckpointError as error:
            shutil.rmtree(folder, ignore_errors=True)
            if attempt == "fresh":
                raise CheckpointError(f"{path}: {error}") from error
    raise AssertionError("unreachable")


def read_pack(folder: Path) -> dict[str, str]:
    """The arguments that the `meta.yaml` of an unpacked pack names, its checksums verified where it has some.

    Raises:
        CheckpointError: see `resolve`.
    """
    meta_path = folder / "meta.yaml"
    if not meta_path.is_file():
        raise CheckpointError(f"{folder}: no meta.yaml at its root, so it is no packed model; make one with jst_pack")
    meta = read_yaml(meta_path)
    names = {**_section(meta, "yaml_files", meta_path), **_section(meta, "files", meta_path)}
    if set(names) != {CONFIG_KEY, WEIGHTS_KEY}:
        found = ", ".join(sorted(names)) or "nothing"
        raise CheckpointError(f"{meta_path}: names {found}, not {CONFIG_KEY} and {WEIGHTS_KEY}: a pack of another task")
    paths = {key: resolve_inside(name, folder, str(meta_path)) for key, name in names.items()}
    twin = folder / Path(names[WEIGHTS_KEY]).parent / SAFETENSORS
    if twin.is_file():
        paths[WEIGHTS_KEY] = resolve_inside(twin.relative_to(folder).as_posix(), folder, str(meta_path))
    for key, path in paths.items():
        if not path.is_file():
            raise CheckpointError(f"{path}: named as {key} by meta.yaml, but missing; copy or download the pack again")
    _verify(meta, folder, rewritten={names[CONFIG_KEY], CARD})
    return {key: str(path) for key, path in paths.items()}


def _section(meta: dict[str, Any], key: str, where: Path) -> dict[str, str]:
    section = meta.get(key)
    if isinstance(section, dict) and len(section) > MAX_MEMBERS:
        raise CheckpointError(f"{where}: {key!r} has {len(section)} names, more than the {MAX_MEMBERS} of a pack")
    if not isinstance(section, dict) or not all(isinstance(item, str) for pair in section.items() for item in pair):
        raise CheckpointError(f"{where}: {key!r} must map argument names to file names")
    return section


def _verify(meta: dict[str, Any], folder: Path, rewritten: set[str]) -> None:
    """Compare checksums, without the configuration, in whose copy ESPnet's own unpacker rewrites the paths, and the
    model card, which is edited on the hub."""
    if meta.get("sha256") is None:
        return
    for name, wanted in _section(meta, "sha256", folder / "meta.yaml").items():
        path = resolve_inside(name, folder, str(folder / "meta.yaml"))
        if name in rewritten or not path.is_file():  # a download may leave out pictures
            continue
        if file_sha256(path) != wanted:
            raise CheckpointError(f"{path}: its SHA-256 differs from meta.yaml's; copy or download the pack again")


def _read_experiment(folder: Path) -> dict[str, str]:
    config = folder / "config.yaml"
    if not config.is_file():
        raise CheckpointError(f"{folder}: neither meta.yaml (a pack) nor config.yaml (an experiment) is in this folder")
    return {CONFIG_KEY: str(config), WEIGHTS_KEY: str(experiment_weights(folder))}


def experiment_weights(folder: Path) -> Path:
    """The weights of an experiment: the average of the best epochs, else the best, else the latest.

    Raises:
        CheckpointError: there are none.
    """
    for pattern in _EXPERIMENT_WEIGHTS:
        for found in sorted(folder.glob(pattern)):
            if found.is_file():
                return found
    raise CheckpointError(f"{folder}: no weights (looked for {', '.join(_EXPERIMENT_WEIGHTS)}); train first")


def _download(tag: str, only: str | None = None) -> Path:
    """A snapshot of a hub repository, from the hub's own cache where it is there; nothing is written into it after."""
    patterns: dict[str, Any] = {"allow_patterns": only, "ignore_patterns": ["*.zip", "images/*"]}
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = tag.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, **patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{tag}: neither a path nor to be had from the hub ({type(error).__name__}: {str(error).splitlines()[0]}); "
            "check the name, the revision and the network, or give a packed zip"
        ) from error
