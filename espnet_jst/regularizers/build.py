"""From `model_conf.regularizers` to modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import nn

from espnet_jst.config import closest
from espnet_jst.errors import ConfigError
from espnet_jst.heads.interface import Head
from espnet_jst.keys import kind_of, read, read_table
from espnet_jst.registry import conf_of, load, names
from espnet_jst.regularizers.interface import Regularizer

WHERE = "model_conf.regularizers"


def check_regularizers(table: object) -> dict[str, tuple[str, dict[str, object]]]:
    """Kind and keys of every entry.

    Raises:
        ConfigError: one of them is wrong.
    """

    def entry(name: str, values: Mapping, where: str) -> tuple[str, dict[str, object]]:
        kind = kind_of(values, names("regularizers"), where, default=name)
        own = {key: value for key, value in values.items() if key != "kind"}
        read(conf_of("regularizers", kind), own, where)
        return kind, own

    return read_table(table, WHERE, entry)


def build_regularizers(table: object, heads: nn.ModuleDict, shifts_s: Mapping[str, float]) -> nn.ModuleDict:
    """One module an entry.

    Args:
        table: `model_conf.regularizers`.
        heads: the heads by name.
        shifts_s: seconds from frame to frame of the tap that each head reads, and of every tap.

    Raises:
        ConfigError: an entry is wrong, or names a head or tap that the model has not.
    """
    built, known_heads = nn.ModuleDict(), cast(dict[str, Head], dict(heads.items()))
    for name, (kind, keys) in check_regularizers(table).items():
        term: Regularizer = load("regularizers", kind)(**keys)
        for need in term.needs:
            if need not in heads and need not in shifts_s:
                known = [*heads, *(tap for tap in shifts_s if tap not in heads)]
                raise ConfigError(
                    f"{WHERE}.{name}: the model has no {need!r}{closest(need, known)}; known: {', '.join(known)}"
                )
        try:
            term.check(known_heads, shifts_s)
        except ConfigError as error:
            raise ConfigError(f"{WHERE}.{name}: {error}") from error
        built[name] = term
    return built
