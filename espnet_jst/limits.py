"""Kinds and sizes of the values of a configuration."""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from espnet_jst.config import check_choice, shown
from espnet_jst.errors import ConfigError

MAX_NUMBER = 2.0**31  # of a key that says nothing else
MAX_ITEMS = 64  # of a list of values


class Limits(NamedTuple):
    """What a value may be, beside its type.

    Attributes:
        low, high: smallest and largest number: of the value, or of each in a list or mapping. Far above what anybody
            trains, far below what hurts; what a model needs in all is compared with its weights when it is loaded
            (`weights.limit_parameters`).
        choices: what the text may be, or a function that tells it.
    """

    low: float = -MAX_NUMBER
    high: float = MAX_NUMBER
    choices: Collection[str] | Callable[[], Collection[str]] | None = None

    def names(self) -> list[str]:
        """The choices now, sorted; none where any text will do."""
        return sorted(self.choices() if callable(self.choices) else self.choices or ())

    def numbers(self) -> str:
        """In words: "a number from 1 to 4096"."""
        if self.low == self.high:
            return f"{self.low:g}"
        above = f" from {self.low:g}" if math.isfinite(self.low) else ""
        return f"a number{above}" + (f" to {self.high:g}" if math.isfinite(self.high) else " on" if above else "")


_OTHER = "another value"


def check_value(name: str, value: object, kind: Any, limits: Limits) -> None:
    """Refuse a value of another kind than a type says, a number out of range, a text that is not one of the choices.

    Raises:
        ConfigError: names the key, the value and what it may be.
    """
    if not _fits(value, kind):
        raise ConfigError(f"{name} is {shown(value)}: give {described(kind)}{_hint(value, kind)}")
    _check_numbers(name, value, limits)
    if limits.choices is not None:
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if text is not None:
                check_choice(str(text), limits.names(), name)


def _hint(value: object, kind: Any) -> str:
    """YAML takes 1e-3, which a person takes for a number, for text."""
    number = isinstance(value, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value)
    return " (YAML reads numbers as 1.0e-3 or 0.001)" if number and _fits(1.0, kind) else ""


def _check_numbers(name: str, value: object, limits: Limits) -> None:
    if isinstance(value, Mapping):
        for below, item in value.items():
            _check_numbers(f"{name}.{str(below)[:40]}", item, limits)
    elif isinstance(value, (list, tuple)):
        if len(value) > MAX_ITEMS:
            raise ConfigError(f"{name} has {len(value)} values: at most {MAX_ITEMS}")
        for item in value:
            _check_numbers(name, item, limits)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and not limits.low <= value <= limits.high:
        raise ConfigError(f"{name} is {shown(value)}: give {limits.numbers()}")  # not a number is in no range


_KINDS: Mapping[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text"),
    Path: ((str, Path), "the name of a file"),
    type(None): ((type(None),), "nothing"),
}


def _fits(value: object, kind: Any) -> bool:
    """Whether a value of YAML can be what a type asks for; types that YAML has no value for take any."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, item) for item in inside)
    if kind in _KINDS:
        return isinstance(value, _KINDS[kind][0]) and (kind is bool or not isinstance(value, bool))
    base = origin or kind
    if base in (list, tuple, Sequence):
        if not isinstance(value, (list, tuple)):
            return False
        if base is tuple and inside and Ellipsis not in inside and len(value) != len(inside):
            return False
        items = [item for item in inside if item is not Ellipsis]
        return all(not items or any(_fits(entry, item) for item in items) for entry in value)
    if base in (dict, Mapping):
        return isinstance(value, Mapping) and all(_fits(item, inside[1]) for item in value.values() if inside)
    # YAML has no such value, and a caller in Python may.
    return base is Any or not isinstance(base, type) or isinstance(value, base)


def described(kind: Any) -> str:
    """A type in words: "a whole number"."""
    inside = typing.get_args(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        inside = tuple(item for item in inside if item is not str or Path not in inside)
        return " or ".join(dict.fromkeys(described(item) for item in inside))
    if kind in _KINDS:
        return _KINDS[kind][1]
    base = typing.get_origin(kind) or kind
    if base in (list, tuple, Sequence):
        items = dict.fromkeys(described(item) for item in inside if item is not Ellipsis)
        of_two = f" of {len(inside)}" if base is tuple and Ellipsis not in inside else ""
        if any(item.startswith("a list") for item in items):
            return "a list of lists"
        return f"a list{of_two}" + (f" with {' or '.join(items)} in each place" if items else "")
    if base in (dict, Mapping):
        below = described(inside[1]) if inside else _OTHER
        return "a mapping" + (f" of names to {below}" if below != _OTHER else "")
    return _OTHER
