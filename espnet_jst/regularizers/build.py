"""From `model_conf.regularizers` to modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn

from espnet_jst.config import closest
from espnet_jst.errors import ConfigError
from espnet_jst.heads.interface import Head
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.keys import Conf, read_table, required
from espnet_jst.registry import load, names, read_entry
from espnet_jst.regularizers.interface import Regularizer

WHERE = "model_conf.regularizers"


@dataclass(frozen=True, kw_only=True)
class RegularizerSpec(Conf):
    """One entry of `model_conf.regularizers`; `conf` are the keys of its class."""

    kind: str = required("what it does; by default the name of the entry", choices=lambda: names("regularizers"))
    conf: Mapping = field(default_factory=dict)


def parse_regularizers(table: object) -> dict[str, RegularizerSpec]:
    """All entries of `model_conf.regularizers`; there may be none.

    Raises:
        ConfigError: one of them is wrong.
    """

    def entry(name: str, values: Mapping, where: str) -> RegularizerSpec:
        return read_entry(RegularizerSpec, "regularizers", _as_cr_ctc({"kind": name, **values}), where)

    return read_table(table, WHERE, entry)


def _as_cr_ctc(entry: Mapping) -> Mapping:
    """An entry of a model trained before `cr_ctc` had a name: one head in `between`, and no warm-up."""
    between = entry.get("between")
    if entry["kind"] != "posterior_consistency" or not isinstance(between, list) or len(between) != 1:
        return entry
    others = {key: value for key, value in entry.items() if key != "between"}
    return {"weight": 0.1, "warm_steps": 0, **others, "kind": "cr_ctc", "heads": between}


def build_regularizers(
    table: object, heads: Mapping[str, Head], shifts_s: Mapping[str, float], specs: Mapping[str, HeadSpec]
) -> nn.ModuleDict:
    """One module an entry.

    Args:
        table: `model_conf.regularizers`.
        heads: the heads by name.
        shifts_s: seconds from frame to frame of the tap that each head reads, and of every tap.
        specs: configurations of the heads.

    Raises:
        ConfigError: an entry is wrong, or names a head or tap that the model has not.
    """
    built = nn.ModuleDict()
    for name, spec in parse_regularizers(table).items():
        term: Regularizer = load("regularizers", spec.kind)(**spec.conf)
        for need in term.needs:
            if need not in heads and need not in shifts_s:
                known = [*heads, *(tap for tap in shifts_s if tap not in heads)]
                raise ConfigError(
                    f"{WHERE}.{name}: the model has no {need!r}{closest(need, known)}; known: {', '.join(known)}"
                )
        try:
            term.check(heads, shifts_s, specs)
        except ConfigError as error:
            raise ConfigError(f"{WHERE}.{name}: {error}") from error
        built[name] = term
    return built
