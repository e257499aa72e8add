"""Explicit configuration: an unknown key is an error that names the closest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from espnet_jst.errors import ConfigError


def closest(name: str, known: Iterable[str]) -> str:
    """A hint such as " (did you mean 'weight'?)", or an empty string when nothing is close."""
    matches = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def check_keys(mapping: Mapping, known: Iterable[str], where: str) -> None:
    """Refuse keys of `mapping` that are not in `known`.

    Raises:
        ConfigError: names `where`, the unknown key, the closest known one and all that are known.
    """
    known = sorted(known)
    for key in mapping:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}{closest(key, known)}; known keys: {', '.join(known)}")


def check_choice(value: str, choices: Iterable[str], where: str) -> None:
    """Refuse a value that is not one of `choices`.

    Raises:
        ConfigError: names `where`, the value, the closest choice and all choices.
    """
    choices = sorted(choices)
    if value not in choices:
        raise ConfigError(f"{where}: {value!r} is not one of {', '.join(choices)}{closest(value, choices)}")
