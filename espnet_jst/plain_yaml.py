"""YAML as plain data: one reader for the configurations of everybody, one's own and those that came from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from espnet_jst.errors import ConfigError

MAX_CONFIG_BYTES = 2**20
MAX_CONFIG_DEPTH = 50
MAX_CONFIG_EVENTS = 100_000  # values, keys, beginnings and ends: a second of reading
MAX_PLAIN_CHARACTERS = 4096  # of a value without quotes: YAML's numbers to the base of sixty take quadratic time
MAX_KEY_CHARACTERS = 1024  # as YAML itself has it for a key without a question mark
MAX_NUMBER = 2.0**63
_TEXT_TAG = "tag:yaml.org,2002:str"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_Base):
    """Plain YAML: every key is text and stands once in its mapping, where YAML takes the last of several."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        """The mapping of a node."""
        seen = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT_TAG:
                raise yaml.YAMLError(f"line {line}: a key is no text; write it in quotes")
            if len(key.value) > MAX_KEY_CHARACTERS:
                raise yaml.YAMLError(f"line {line}: a key of {len(key.value)} characters")
            if key.value in seen:
                raise yaml.YAMLError(f"line {line}: the key {key.value[:80]!r} occurs twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path: str | Path) -> dict[str, Any]:
    """A YAML mapping, read as plain data: mappings with text as keys, lists, text, numbers, true, false and null.

    Raises:
        ConfigError: the file is missing, over 1 MiB, not a mapping, has aliases (bombs are made of them), tags, deep
            nesting, a key twice, dates, numbers without a sensible value, or asks for code: a `_target_`, or a
            `trust_remote_code` that is true.
    """
    path = Path(path)
    try:
        check_size(path)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    return parse(text, str(path))


def check_size(path: Path) -> None:
    """Refuse a file that is too large for a configuration."""
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes; no configuration is")


def parse(text: str, where: str) -> dict[str, Any]:
    """As `read`, of the text of a file that is called `where` in messages."""
    try:
        _check_events(text, where)
        loaded = yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"{where}: not plain YAML ({error})") from error
    loaded = {} if loaded is None else loaded  # nothing but comments
    if not isinstance(loaded, dict):
        raise ConfigError(f"{where}: holds no mapping of keys to values")
    for keys, value in leaves(loaded):
        name = ".".join(map(str, keys))
        if "_target_" in keys or ("trust_remote_code" in keys and value):
            raise ConfigError(f"{where}: {name} asks to run code from elsewhere; refused")
        if not isinstance(value, (str, bool, int, float, type(None))):
            raise ConfigError(f"{where}: {name} is a {type(value).__name__}; refused, write text in quotes")
        if isinstance(value, (int, float)) and not (-MAX_NUMBER < value < MAX_NUMBER or abs(value) == math.inf):
            raise ConfigError(f"{where}: {name} is a number without a sensible value; refused")
    return loaded


def _check_events(text: str, where: str) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=Loader)):
        reason = None
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            reason = "has an alias or its anchor; refused, write the value out"
        elif getattr(event, "tag", None) is not None or getattr(event, "tags", None):
            reason = "has a tag (!...); refused, write plain values"
        elif getattr(event, "style", "none") in (None, "") and len(getattr(event, "value", "")) > MAX_PLAIN_CHARACTERS:
            reason = f"has a value of over {MAX_PLAIN_CHARACTERS} characters without quotes; refused"
        elif number > MAX_CONFIG_EVENTS:
            reason = f"is where the values are more than {MAX_CONFIG_EVENTS}; refused, no configuration has so many"
        if reason:
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise ConfigError(f"{where}: line {line} {reason}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_CONFIG_DEPTH:
            raise ConfigError(f"{where}: nested deeper than {MAX_CONFIG_DEPTH}; refused")


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
