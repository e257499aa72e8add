"""Explicit configuration: an unknown key or option is an error that names the closest known one."""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from espnet_jst import plain_yaml
from espnet_jst.errors import ConfigError

_SHOWN = 40  # characters of a value in a message
_LISTED = 40  # keys that a message lists beside the closest one


def shown(value: Any) -> str:
    """A value for a message, cut short: it may come from a stranger and be as long as a file may be."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def closest(name: str, known: Iterable[str]) -> str:
    """A hint such as " (did you mean 'weight'?)", or an empty string when nothing is close."""
    matches = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def json_text(value: Any, **options: Any) -> str:
    """A value as JSON that every reader takes: what is not a number (NaN, infinity) is null; `json.dumps`'s options."""
    return json.dumps(finite(value), **options, allow_nan=False)


def read_json(path: Path) -> dict[str, Any]:
    """An object that a program left as JSON; empty where there is none that can be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def finite(value: Any, digits: int | None = None) -> Any:
    """A copy in which NaN and infinity are None, and other floats have so many decimals (None: all)."""
    if isinstance(value, Mapping):
        return {key: finite(entry, digits) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry, digits) for entry in value]
    if not isinstance(value, float):
        return value
    return (value if digits is None else round(value, digits)) if math.isfinite(value) else None


def check_keys(mapping: Mapping, known: Iterable[str], where: str) -> None:
    """Refuse keys of `mapping` that are not in `known`.

    Raises:
        ConfigError: names `where`, the unknown key, the closest known one, and all that are known: where they
            are many, only if none is close.
    """
    known = sorted(known)
    for key in mapping:
        if key not in known:
            hint = closest(key, known)
            known_keys = "" if hint and len(known) > _LISTED else f"; known keys: {', '.join(known)}"
            raise ConfigError(f"{where}: unknown key {shown(key)}{hint}{known_keys}")


def check_choice(value: str, choices: Iterable[str], where: str) -> None:
    """Refuse a value that is not one of `choices`.

    Raises:
        ConfigError: names `where`, the value, the closest choice and all choices.
    """
    choices = sorted(choices)
    if value not in choices:
        raise ConfigError(f"{where}: {shown(value)} is not one of {', '.join(choices)}{closest(value, choices)}")


def truth(text: str) -> bool:
    """ "true" or "false", as ESPnet writes switches."""
    if text.lower() in ("true", "yes", "y", "1"):
        return True
    if text.lower() in ("false", "no", "n", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Everything that a parser knows. argparse has no public list of it; this one is as old as argparse itself."""
    return parser._actions


def unknown_option(option: str, parser: argparse.ArgumentParser) -> str:
    """What to say of an argument that a parser does not know."""
    return f"unknown option {option}{closest(option.split('=')[0], _names(parser)) if option.startswith('-') else ''}"


def _names(parser: argparse.ArgumentParser) -> list[str]:
    names = [name for action in options_of(parser) for name in action.option_strings]
    below = [action.choices for action in options_of(parser) if isinstance(action, argparse._SubParsersAction)]
    return names + [name for commands in below for command in commands.values() for name in _names(command)]


class CommandParser(argparse.ArgumentParser):
    """argparse's parser: no abbreviations, and an error is one line that names the closest option, not the usage."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As argparse's, but an unknown option is named before one that is missing: it may be the same, misspelt."""
        args = sys.argv[1:] if args is None else args
        known = _names(self)
        for word in itertools.takewhile(lambda word: word != "--", args):
            if word.startswith("--") and " " not in word and word.split("=")[0] not in known:
                self.error(unknown_option(word, self))
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(unknown_option(unknown[0], self))
        return found

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        self.exit(2, f"error: {message} (--help lists the options)\n")


def merge(base: Mapping, own: Mapping) -> dict[str, Any]:
    """`own` over `base`: mappings are merged key by key, a null removes the base's key, anything else replaces it.

    A mapping with `base: null` in it replaces the base's as a whole: the keys of another class have other names.
    """
    merged = dict(base)
    for key, value in own.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = {} if value.get("base", "") is None else merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A configuration file, laid over the file that its key `base` names (a path relative to the file itself).

    So a recipe holds only what differs from the system that it trains.

    Raises:
        ConfigError: a file is its own base, or cannot be read: see `plain_yaml.read`.
    """
    *above, (_, merged) = _layers(Path(path))
    for _, values in reversed(above):
        merged = merge(merged, values)
    return merged


def config_files(path: str | Path) -> list[Path]:
    """The files that a configuration is made of: itself, its base, the base of that, and so on.

    Raises:
        ConfigError: as `read_yaml`.
    """
    return [file for file, _ in _layers(Path(path))]


def _layers(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Files and their own values, from a configuration down to its lowest base."""
    layers: list[tuple[Path, dict[str, Any]]] = []
    while True:
        if path.resolve() in (file.resolve() for file, _ in layers):
            raise ConfigError(f"{path} is its own base, through {' -> '.join(file.name for file, _ in layers)}")
        values = plain_yaml.read(path)
        base = values.pop("base", None)
        layers.append((path, values))
        if base is None:
            return layers
        path = path.parent / str(base)
