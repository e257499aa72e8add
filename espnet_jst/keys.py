"""The keys of a component, as a frozen dataclass: from it come the messages, `--help TOPIC` and docs/configuration.md.

    @dataclass(frozen=True, kw_only=True)
    class RepeatConf(Conf):
        \"""Every frame several times.\"""

        times: int = key(4, "how often", low=1, high=64)

A configuration may come from a stranger, in a pack. Everything here is checked before anything is constructed, so that
a wrong value costs neither time nor memory, and is one message instead of an error from inside of a library. Nothing
here needs torch or ESPnet.
"""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, make_dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

from espnet_jst.config import check_choice, check_keys, shown
from espnet_jst.errors import ConfigError
from espnet_jst.limits import MAX_NUMBER, Limits, check_value

MAX_ENTRIES = 16  # of a table such as model_conf.heads
_NAME = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)


class Key(NamedTuple):
    """What is known of a key beside its type and default: a few words, with the unit, and what it may be."""

    meaning: str
    limits: Limits


def key(
    default: Any,
    meaning: str,
    *,
    low: float = -MAX_NUMBER,
    high: float = MAX_NUMBER,
    choices: Collection[str] | Callable[[], Collection[str]] | None = None,
) -> Any:
    """A field of a `Conf` that a configuration may set; see `limits.Limits`."""
    return field(default=default, metadata={"key": Key(meaning, Limits(low, high, choices))})


required = functools.partial(key, MISSING)
"""As `key`, of a key that must be given."""


@dataclass(frozen=True, kw_only=True)
class Conf:
    """Base of such dataclasses. Fields that are not made by `key` or `required` are not read from a configuration.

    Raises:
        ConfigError: a value is of the wrong kind, out of range, or does not go with the others.
    """

    any_key: ClassVar[bool] = False  # of a constructor that takes `**keys` which nobody knows
    written: ClassVar[tuple[str, ...]] = ()  # keys that a training writes, without which a trained model is not built

    def __post_init__(self) -> None:
        types_of = typing.get_type_hints(type(self))
        for name, item in keys_of(type(self)).items():
            value = getattr(self, name)
            check_value(name, value, types_of[name], item.metadata["key"].limits)
            if isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
        self.check()

    def check(self) -> None:
        """Refuse values that do not go together."""


T = TypeVar("T", bound=Conf)
E = TypeVar("E")


def keys_of(conf: type[Conf]) -> dict[str, Field]:
    """The keys that a configuration may set, in the order in which they stand in the dataclass."""
    return {item.name: item for item in fields(conf) if "key" in item.metadata}


def is_required(item: Field) -> bool:
    """Whether a key must be given."""
    return item.default is MISSING and item.default_factory is MISSING


def read(conf: type[T], values: object, where: str, /, *, beside: Iterable[str] = (), **others: object) -> T:
    """The values of a configuration, checked.

    Args:
        conf: the dataclass.
        values: a mapping; None is an empty one.
        where: the part of the configuration, for messages, such as "encoder_conf of chunk_conformer".
        beside: further keys that the mapping may have, which somebody else reads.
        others: fields of the dataclass that are no keys.

    Raises:
        ConfigError: a key is unknown (the closest one is named) or missing, or a value cannot be used.
    """
    values, known = _mapping({} if values is None else values, where), keys_of(conf)
    if not conf.any_key:
        check_keys(values, {*known, *beside}, where)
    for name, item in known.items():
        if is_required(item) and name not in values:
            raise ConfigError(f"{where}: {name!r} is missing: {item.metadata['key'].meaning}")
    try:
        return conf(**others, **{name: value for name, value in values.items() if name in known})
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def read_table(
    table: object, where: str, entry: Callable[[str, Mapping, str], E], *, most: int = MAX_ENTRIES
) -> dict[str, E]:
    """A mapping of names to entries, such as `model_conf.heads`; None is an empty one.

    Args:
        table: what the configuration holds.
        where: its place, for messages.
        entry: name, mapping and place of an entry -> what it means; most often a call of `read`.
        most: how many entries there may be.

    Raises:
        ConfigError: it is no such mapping, a name is none, or whatever `entry` refuses.
    """
    from torch import nn  # here, so that what only asks for keys does without

    table = {} if table is None else table
    if not isinstance(table, Mapping) or len(table) > most:
        raise ConfigError(f"{where} is {shown(table)}: give a mapping of names to entries, at most {most}")
    for name in table:
        # The name may be that of a module, too, and must not be one of what every module has.
        if not isinstance(name, str) or not _NAME.fullmatch(name) or hasattr(nn.ModuleDict, name):
            raise ConfigError(f"{where}: {shown(name)} cannot be a name: use letters, digits and '_'")
    return {name: entry(name, _mapping(values, f"{where}.{name}"), f"{where}.{name}") for name, values in table.items()}


def _mapping(values: object, where: str) -> Mapping:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where} is {shown(values)}: it must be a mapping of keys to values")
    return values


def kind_of(values: object, kinds: Collection[str], where: str) -> str:
    """The `kind` of an entry, which says what further keys it has.

    Raises:
        ConfigError: it is missing, or not one of `kinds`.
    """
    kind = _mapping(values, where).get("kind")
    if kind is None:
        raise ConfigError(f"{where}: 'kind' is missing: {' or '.join(sorted(kinds))}")
    check_choice(str(kind), kinds, f"{where}: kind")
    return str(kind)


def takes(conf: type[Conf]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """For a constructor with an argument `conf`: callers give the keys of the dataclass as keyword arguments instead.

    So a class has one list of its keys, and is made as any other: `ChunkConformer(80, size=64)`.
    """

    def decorate(init: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(init).parameters.values() if p.name != "conf"]
        given = [_parameter(item) for item in keys_of(conf).values()]
        signature = inspect.Signature(sorted([*own, *given], key=lambda p: p.kind))

        @functools.wraps(init)
        def made(*args: Any, **keywords: Any) -> None:
            values = signature.bind(*args, **keywords).arguments
            init(**{p.name: values.pop(p.name) for p in own if p.name in values}, conf=conf(**values))

        made.__dict__.update(__signature__=signature, conf=conf)
        return made

    return decorate


def _parameter(item: Field) -> inspect.Parameter:
    if is_required(item):
        return inspect.Parameter(item.name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default)


def declared(target: type) -> type[Conf] | None:
    """The dataclass that a class's constructor `takes`; None for a class of somebody else."""
    return getattr(target.__init__, "conf", None)  # type: ignore[misc]


def signature_conf(target: type, given: Collection[str] = ()) -> type[Conf]:
    """Keys of a class that declares none: the arguments of its constructor.

    Args:
        target: a class of somebody else.
        given: arguments that are no keys, because the model gives them.
    """
    parameters = inspect.signature(target).parameters.values()
    try:
        hints = typing.get_type_hints(target.__init__)  # type: ignore[misc]
    except (NameError, TypeError, AttributeError):  # they cannot be found out
        hints = {}
    entries = [
        (p.name, hints.get(p.name, Any), required("") if p.default is p.empty else key(_immutable(p.default), ""))
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in given
    ]
    any_key = any(p.kind is p.VAR_KEYWORD for p in parameters)
    space = {"any_key": any_key, "__doc__": inspect.getdoc(target), "__post_init__": _check_given}
    return make_dataclass(f"{target.__name__}Conf", entries, bases=(Conf,), namespace=space, frozen=True, kw_only=True)


def _check_given(conf: Conf) -> None:
    """A default of somebody else may be of another kind than its annotation says: it is no mistake of the user's."""
    types_of = typing.get_type_hints(type(conf))
    for name, item in keys_of(type(conf)).items():
        if getattr(conf, name) is not item.default:
            check_value(name, getattr(conf, name), types_of[name], item.metadata["key"].limits)


def _immutable(default: Any) -> Any:
    return tuple(default) if isinstance(default, list) else None if isinstance(default, (dict, set)) else default
