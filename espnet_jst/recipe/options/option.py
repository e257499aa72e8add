"""An option: a field of a group with its help text, and its choices where it has some."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import field
from typing import Any

from espnet_jst.errors import ConfigError


def option(default: Any, text: str, choices: Sequence[str] = ()) -> Any:
    """A field of a group of options; its type is that of its default."""
    return field(default=default, metadata={"help": text, "choices": choices})


def check_least(group: object, **least: float) -> None:
    """Refuse numbers of a group that are under the least one that can be used.

    Raises:
        ConfigError: names the option.
    """
    for name, bound in least.items():
        if getattr(group, name) < bound:
            raise ConfigError(f"--{name} {getattr(group, name)}: at least {bound}")


def check_words(name: str, value: str) -> None:
    """Refuse options of a program that a shell could not read.

    Raises:
        ConfigError: names the option.
    """
    try:
        shlex.split(value)
    except ValueError as error:
        raise ConfigError(f"--{name} {value}: {error}; quote it as a shell would read it") from None
