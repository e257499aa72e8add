"""Keys of a component: one dataclass makes its constructor, the checks and the messages."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pytest

from espnet_jst import registry
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, declared, key, keys_of, kind_of, read, read_table, required, signature_conf, takes


@dataclass(frozen=True, kw_only=True)
class SieveConf(Conf):
    """Lets some through."""

    file: str = required("give the file of stage 5")
    holes: int = key(4, "how many", low=1, high=64)
    weight: float | None = key(None, "of one", low=0, high=math.inf)
    mesh: str = key("fine", "its kind", choices=("fine", "coarse"))
    pair: tuple[float, float] = key((0.0, 1.0), "lowest and highest")
    many: Sequence[int] = key((), "a few", low=0)
    each: float | Mapping[str, float] = key(0.0, "by name", low=0, high=1)
    name: str = "not read from a configuration"

    def check(self) -> None:
        if self.pair[0] > self.pair[1]:
            raise ConfigError(f"pair runs backwards: {list(self.pair)}")


class Sieve:
    @takes(SieveConf)
    def __init__(self, size: int, *, blank: int = 0, conf: SieveConf) -> None:
        self.size, self.blank, self.conf = size, blank, conf


class Finer(Sieve):
    pass


class Foreign(Sieve):
    def __init__(self, size: int, rows: list[int] = [1], mode: str = None, **more: Any) -> None:  # type: ignore  # noqa: B006, RUF013
        self.rows = rows


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "sieve_conf: 'file' is missing: give the file of stage 5"),
        ({"fil": "x"}, r"sieve_conf: unknown key 'fil' \(did you mean 'file'\?\); known keys: each, file, holes"),
        ({"name": "x"}, "unknown key 'name'"),
        ({"file": 1}, "file is 1: give text"),
        ({"holes": "256"}, "sieve_conf: holes is '256': give a whole number"),
        ({"holes": True}, "holes is True: give a whole number"),
        ({"holes": 2.5}, "holes is 2.5: give a whole number"),
        ({"holes": 0}, "holes is 0: give a number from 1 to 64"),
        ({"weight": "0.3"}, "weight is '0.3': give a number or nothing"),
        ({"weight": "1e-3"}, r"weight is '1e-3': give a number or nothing \(YAML reads numbers as 1.0e-3 or 0.001\)"),
        ({"weight": -1}, "weight is -1: give a number from 0 on"),
        ({"weight": math.nan}, "weight is nan"),
        ({"mesh": "coarser"}, r"mesh: 'coarser' is not one of coarse, fine \(did you mean 'coarse'\?\)"),
        ({"mesh": None}, "mesh is None: give text"),
        ({"pair": [1]}, "pair is .1.: give a list of 2 with a number in each place"),
        ({"pair": [2, 1]}, "sieve_conf: pair runs backwards"),
        ({"many": [1, "a"]}, "many is .*: give a list with a whole number in each place"),
        ({"many": [-1]}, "many is -1"),
        ({"many": [1] * 100}, "many has 100 values: at most 64"),
        ({"each": {"a": 7}}, "each.a is 7: give a number from 0 to 1"),
        ({"each": {"a": "x"}}, "give a number or a mapping of names to a number"),
        ([1], "sieve_conf is .1.: it must be a mapping"),
    ],
)
def test_a_wrong_key_or_value_is_one_message(values, message):
    given = {"file": "x", **values} if isinstance(values, dict) and values and "fil" not in values else values
    with pytest.raises(ConfigError, match=message) as raised:
        read(SieveConf, given, "sieve_conf")
    assert "\n" not in str(raised.value)


def test_right_values_are_read_and_lists_can_not_be_changed_afterwards():
    conf = read(
        SieveConf, {"file": "x", "weight": math.inf, "many": [1, 2], "kind": "sieve"}, "", beside=["kind"], name="y"
    )
    assert (conf.weight, conf.many, conf.holes, conf.name) == (math.inf, (1, 2), 4, "y")


def test_a_constructor_takes_the_keys_of_its_dataclass_as_arguments():
    made = Sieve(3, "x", holes=5)
    assert (made.size, made.conf.file, made.conf.holes, made.blank) == (3, "x", 5, 0)
    assert Finer(size=3, file="x", blank=1).blank == 1
    assert list(inspect.signature(Sieve).parameters)[:3] == ["size", "file", "blank"]
    assert inspect.signature(Sieve).parameters["holes"].default == 4
    with pytest.raises(ConfigError, match="holes is 0"):
        Sieve(3, "x", holes=0)
    with pytest.raises(TypeError, match="hole"):
        Sieve(3, "x", hole=1)


def test_a_class_inherits_its_keys_together_with_its_constructor():
    assert declared(Finer) is SieveConf and declared(Foreign) is None


def test_a_class_that_declares_no_keys_has_those_of_its_constructor():
    conf = signature_conf(Foreign, ["size"])
    assert list(keys_of(conf)) == ["rows", "mode"]
    assert read(conf, {"more": 1}, "x").rows == (1,)  # it takes any, and its own defaults are not ours to judge
    with pytest.raises(ConfigError, match="x: rows is 'a': give a list with a whole number in each place"):
        read(conf, {"rows": "a"}, "x")


def test_a_table_of_named_entries_with_kinds_is_read_entry_by_entry():
    def entry(name, values, where):
        kind_of({"kind": name, **values}, ("sieve",), where)
        return read(SieveConf, values, where, beside=["kind"], name=name)

    table = read_table({"sieve": {"file": "a"}, "b": {"kind": "sieve", "file": "b"}}, "conf.sieves", entry)
    assert [conf.name for conf in table.values()] == ["sieve", "b"]
    assert read_table(None, "conf.sieves", entry) == {}
    for wrong, message in [
        ({"b": {"file": "x"}}, r"conf.sieves.b: kind: 'b' is not one of sieve"),
        ({"b": {"kind": "siev"}}, r"'siev' is not one of sieve \(did you mean 'sieve'"),
        ({"sieve": {"file": "x", "hole": 1}}, "conf.sieves.sieve: unknown key 'hole'"),
        ({"b": 3}, "conf.sieves.b is 3: it must be a mapping"),
        ({"a.b": {}}, "conf.sieves: 'a.b' cannot be a name"),
        ({"forward": {}}, "'forward' cannot be a name"),
        ([1], "give a mapping of names to entries, at most 16"),
        ({f"n{n}": {} for n in range(17)}, "at most 16"),
    ]:
        with pytest.raises(ConfigError, match=message):
            read_table(wrong, "conf.sieves", entry)
    with pytest.raises(ConfigError, match="x: 'kind' is missing: a or b"):
        kind_of({}, ("b", "a"), "x")


CLASSES = [(choice, name) for choice, classes in registry.TABLE.items() for name in classes]


@pytest.mark.parametrize(("choice", "name"), CLASSES)
def test_a_class_of_the_package_takes_the_dataclass_that_help_shows_without_importing_it(choice, name):
    conf = registry.conf_of(choice, name)
    assert conf.__module__.endswith(".conf")
    assert declared(registry.load(choice, name)) is conf


@pytest.mark.parametrize("name", [(choice, name) for choice, classes in registry.HARMLESS.items() for name in classes])
def test_the_keys_of_espnets_classes_are_its_arguments_and_defaults(name):
    from espnet2.tasks import st

    choice, own = name
    parameters = inspect.signature(getattr(st, f"{choice}_choices").classes[own]).parameters
    given = {p.name: p.default for p in parameters.values() if p.default is not p.empty}
    conf = registry.conf_of(choice, own)
    assert {item.name: item.default for item in fields(conf) if item.name in given} == given
    assert set(keys_of(conf)) == set(parameters)
