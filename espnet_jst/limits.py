"""What a configuration may give to a constructor: known keys, values of the right kind, numbers of a sensible size.

A configuration may come from a stranger, in a pack. Everything here is checked before anything is constructed, so that
a wrong value costs neither time nor memory, and is one message instead of an error from inside of a library.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_jst.config import check_keys, shown
from espnet_jst.errors import ConfigError

# Far above what anybody trains, far below what hurts. What a model needs in all is compared with its weights when it
# is loaded (`weights.limit_parameters`).
RANGES: Mapping[str, tuple[float, float]] = {
    "fs": (1000, 192000),
    "n_mels": (1, 256),
    "window_s": (0.001, 0.2),
    "hop_s": (0.001, 0.1),
    "floor": (1e-30, 1.0),
    "fmin": (0, 100000),
    "fmax": (1, 100000),
    "eps": (0, 1.0),
    "prior_frames": (0, math.inf),
    "half_life_frames": (1, math.inf),
    "size": (1, 4096),
    "layers": (1, 128),
    "heads": (1, 64),
    "feed_forward_size": (1, 32768),
    "kernel_size": (1, 512),
    "subsampling": (1, 64),
    "subsampling_channels": (1, 256),
    "dropout": (0, 1),
    "attention_dropout": (0, 1),
    "chunk_frames": (0, 4096),
    "left_chunks": (-1, 100000),
    "train_chunk_frames": (0, 4096),
    "train_left_chunks": (-1, 100000),
    "taps": (1, 128),
    "joint_size": (1, 8192),
    "prune_range": (1, 1000),
    "context": (1, 64),
    "blank": (0, 0),  # the first symbol of every token list
    "weight": (0, 1e6),
    "gamma": (0, 1),
    "beam_size": (1, 1000),
    "nbest": (1, 1000),
    "max_symbols": (1, 1000),
    "chunk_s": (-math.inf, math.inf),  # checked where the model's frames are known
    "blank_penalty": (-1000, 1000),
    "lm_weight": (-1000, 1000),
    "phrase_bonus": (-1000, 1000),
}
ANY_NUMBER = (-(2.0**31), 2.0**31)  # of a key that is not listed
MAX_ITEMS = 64  # of a list of values


def check_arguments(target: Callable, conf: Any, where: str, fixed: Collection[str] = ()) -> None:
    """Refuse arguments of a constructor that it does not know, or whose values are of the wrong kind or size.

    Args:
        target: a class.
        conf: keyword arguments, as a configuration gives them.
        where: the part of the configuration, for the message.
        fixed: arguments that the configuration may not give.

    Raises:
        ConfigError: names the key and the closest known one, or the value and what it may be.
    """
    if not isinstance(conf, Mapping):
        raise ConfigError(f"{where} is {shown(conf)}: give a mapping of keys to values")
    parameters = inspect.signature(target).parameters.values()
    named = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)} - set(fixed)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        check_keys(conf, named, where)
    check_values(conf, where, _hints(target))


def check_values(conf: Mapping, where: str, hints: Mapping[str, Any] | None = None) -> None:
    """Refuse values of another kind than `hints` say (key -> type, where known), and numbers out of their range.

    Raises:
        ConfigError: names the key, the value and what it may be.
    """
    for key, value in conf.items():
        if hints and key in hints and not _fits(value, hints[key]):
            raise ConfigError(f"{where}: {key} is {shown(value)}: give {_described(hints[key])}")
        _check_numbers(str(key), value, where)


def _check_numbers(key: str, value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for below, item in value.items():
            # A number for each lane, say, has the range of the key above.
            _check_numbers(str(below) if str(below) in RANGES or key not in RANGES else key, item, where)
    elif isinstance(value, (list, tuple)):
        if len(value) > MAX_ITEMS:
            raise ConfigError(f"{where}: {key} has {len(value)} values: at most {MAX_ITEMS}")
        for item in value:
            _check_numbers(key, item, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = RANGES.get(key, ANY_NUMBER)
        if not low <= value <= high:  # not a number is in no range
            raise ConfigError(f"{where}: {key} is {shown(value)}: give a number from {low:g} to {high:g}")


def _hints(target: Callable) -> dict[str, Any]:
    """Types of a constructor's arguments; none where they cannot be found out."""
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError, AttributeError):
        return {}


_KINDS: Mapping[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text"),
    Path: ((str, Path), "the name of a file"),
    type(None): ((type(None),), "nothing"),
}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of YAML can be what a type asks for; types that YAML has no value for take any."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, item) for item in inside)
    if hint in _KINDS:
        return isinstance(value, _KINDS[hint][0]) and (hint is bool or not isinstance(value, bool))
    kind = origin or hint
    if kind in (list, tuple, Sequence):
        if not isinstance(value, (list, tuple)):
            return False
        items = [item for item in inside if item is not Ellipsis]
        return all(not items or any(_fits(entry, item) for item in items) for entry in value)
    if kind in (dict, Mapping):
        return isinstance(value, Mapping)
    return True


def _described(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_described(item) for item in typing.get_args(hint)))
    if hint in _KINDS:
        return _KINDS[hint][1]
    kind = typing.get_origin(hint) or hint
    if kind in (list, tuple, Sequence):
        items = dict.fromkeys(_described(item) for item in typing.get_args(hint) if item is not Ellipsis)
        return "a list" + (f" with {' or '.join(items)} in each place" if items else "")
    return "a mapping" if kind in (dict, Mapping) else "another value"
