"""What a finished stage is compared by: the contents of its inputs, and the values that it used.

Tables, configurations, token lists and weights count by their contents, so that a file that was written again with the
same text changes nothing. Of audio that is not ours, hundreds of gigabytes perhaps, stage 3 compares sizes and times as
`make` does, and writes the digest of every utterance's samples, which it reads anyway: later stages compare those.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from espnet_jst import config
from espnet_jst.config import json_text
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.hub.safe_archive import file_sha256
from espnet_jst.plain_yaml import leaves
from espnet_jst.untrusted.config_file import TRAINING_ONLY_KEYS, VOCABULARY_KEYS, find_file, read_yaml

_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9_]{2,}\b")


def digest(path: Path) -> str | None:
    """SHA-256 of a file; "directory" for a folder, which stands for itself; None where there is nothing."""
    try:
        state = path.stat()
    except OSError:
        return None
    if path.is_dir():
        return "directory"
    try:
        return _file_digest(str(path.absolute()), state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    except OSError:
        return "unreadable"  # the stage says so when it reads it


@lru_cache(maxsize=4096)  # several stages of one run read the same weights and tables
def _file_digest(path: str, *_state: int) -> str:
    return file_sha256(Path(path))


def digests(paths: Iterable[Path]) -> dict[str, str | None]:
    """Path -> digest."""
    return {str(path): digest(path) for path in paths}


def present(*paths: Path) -> list[Path]:
    """Those of the paths that are there."""
    return [path for path in paths if path.exists()]


def audio_state(wav_scp: Path) -> str:
    """One digest of name, size and time of every recording that a `wav.scp` names."""
    seen = hashlib.sha256()
    for line in wav_scp.read_bytes().splitlines() if wav_scp.is_file() else ():
        path = b"".join(line.split(maxsplit=1)[1:]).strip()
        try:
            state = os.stat(path)
            seen.update(b"%s\0%d\0%d\n" % (path, state.st_size, state.st_mtime_ns))
        except (OSError, ValueError):  # missing, or a command
            seen.update(path + b"\n")
    return seen.hexdigest()


def variables_of(scripts: Iterable[Path]) -> dict[str, str]:
    """The environment variables that are set and that a script names: name -> value."""
    names: set[str] = set()
    for path in scripts:
        names.update(_VARIABLE.findall(path.read_text(encoding="utf-8", errors="replace")))
    return {name: os.environ[name] for name in sorted(names & set(os.environ))}


def named_files(*settings: str | Path) -> list[Path]:
    """Files that options or a configuration name: their contents count as well.

    Args:
        settings: command lines as text, or configuration files; a value may go on after the name of a file, as that of
            `--init_param FILE:encoder:encoder` does.
    """
    found: dict[Path, None] = {}
    for text in _texts(settings):
        for name in (text, text.partition(":")[0], text.partition(",")[0], text.partition("=")[2]):
            if 0 < len(name) < 1000 and name.isprintable() and Path(name).is_file():
                found[Path(name)] = None
    return list(found)


def files_of_model(model_config: Path) -> list[Path]:
    """The files that the config.yaml of an experiment names and that a reader of the model needs."""
    unread = TRAINING_ONLY_KEYS | VOCABULARY_KEYS
    found = [find_file(value, model_config) for value in _model_values(model_config, unread)]
    return list(dict.fromkeys(path for path in found if path is not None))


def _model_values(model_config: Path, unread: Collection[str]) -> Iterator[str]:
    try:
        values = read_yaml(model_config)
    except CheckpointError:
        return  # the decoder says what is wrong with it
    yield from (value for keys, value in leaves(values) if isinstance(value, str) and keys[0] not in unread)


def _texts(settings: Sequence[str | Path]) -> Iterator[str]:
    for item in settings:
        try:
            if isinstance(item, str):
                yield from shlex.split(item)
            else:
                yield from (value for _, value in leaves(config.read_yaml(item)) if isinstance(value, str))
        except (ValueError, ConfigError):
            continue  # what reads it says what is wrong with it


def as_json(values: Mapping[str, object]) -> dict[str, Any]:
    """Values as they come back from a file, so that both can be compared."""
    return json.loads(json_text(dict(values), default=_plain))


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def write_stamp(path: Path, stamp: Mapping[str, object]) -> None:
    """Write a stamp; a kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f".{path.name}.new")
    whole.write_text(json_text(stamp, indent=1, default=str), encoding="utf-8")
    whole.replace(path)
