"""Learning rates of parts of a model (`--lr_factors`): what is trained already moves less than what is new."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from espnet_jst.config import closest, shown
from espnet_jst.errors import ConfigError

OPTION = "lr_factors"
LARGEST = 1000.0
_LAYER = re.compile(r"(\d+)(?:\.|$)")

Factor = float | tuple[float, float]


def parse_factors(values: Mapping[str, Any] | None) -> dict[str, Factor]:
    """Name of a module or parameter -> its factor; of a list of layers also (lowest layer, highest layer).

    Raises:
        ConfigError: a value is no factor.
    """
    found: dict[str, Factor] = {}
    for name, value in _flat(values or {}):
        numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        good = all(type(n) in (int, float) and 0 < n <= LARGEST for n in numbers)
        if not good or (numbers is value and len(numbers) != 2):
            raise ConfigError(
                f"{OPTION}.{name} is {shown(value)}: give a factor of the learning rate above 0, or two, of the lowest "
                "and of the highest layer; what should not move at all is named by --freeze_param"
            )
        found[name] = (float(numbers[0]), float(numbers[1])) if numbers is value else float(value)
    return found


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def factors_of(model: nn.Module, factors: Mapping[str, Factor]) -> dict[str, float]:
    """Name of every parameter -> its factor: that of the longest name which it begins with, else 1.

    Raises:
        ConfigError: a name is that of no parameter, or has two factors and no numbered layers.
    """
    names = [name for name, _ in model.named_parameters()]
    found = dict.fromkeys(names, 1.0)
    for prefix in sorted(factors, key=len):
        inside = [name for name in names if f"{name}.".startswith(f"{prefix}.")]
        if not inside:
            known = sorted(
                {".".join(name.split(".")[:size]) for name in names for size in range(1, name.count(".") + 1)}
            )
            raise ConfigError(f"{OPTION}: the model has no {prefix}{closest(prefix, known)}")
        found.update(zip(inside, _spread(prefix, factors[prefix], inside), strict=True))
    return found


def _spread(prefix: str, factor: Factor, inside: Sequence[str]) -> list[float]:
    """Of each parameter in a module."""
    if not isinstance(factor, tuple):
        return [factor] * len(inside)
    matches = [_LAYER.match(name.removeprefix(f"{prefix}.")) for name in inside]
    layers = [int(match[1]) for match in matches if match]
    if len(layers) < len(inside):
        raise ConfigError(f"{OPTION}.{prefix} has two factors, and no numbered layers: give one")
    low, high = factor
    return [low * (high / low) ** (layer / max(1, *layers)) for layer in layers]


def scale_rates(optimizer: torch.optim.Optimizer, model: nn.Module, factors: Mapping[str, Factor]) -> None:
    """Cut the groups of an optimizer that is new by factor, so that its schedule scales what they then have.

    Raises:
        ConfigError: see `factors_of`.
    """
    by_name = factors_of(model, factors)
    by_id = {id(parameter): by_name[name] for name, parameter in model.named_parameters()}
    groups = []
    for group in optimizer.param_groups:
        cut: dict[float, list[Any]] = {}
        for parameter in group["params"]:
            cut.setdefault(by_id[id(parameter)], []).append(parameter)
        groups += [{**group, "params": part, "lr": group["lr"] * factor} for factor, part in cut.items()]
    optimizer.param_groups[:] = groups
