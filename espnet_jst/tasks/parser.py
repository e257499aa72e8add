"""ESPnet's argument parser, made strict: a configuration file is checked like the command line."""

from __future__ import annotations

import argparse
import ast
import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from espnet2.utils import config_argparse
from espnet2.utils.nested_dict_action import NestedDictAction

from espnet_jst.config import check_choice, check_keys, options_of, read_yaml, unknown_option
from espnet_jst.errors import ConfigError
from espnet_jst.tasks.refused import REFUSED, refusal

# A saved config.yaml has these, which say how that run was started and not what it was.
NOT_CONFIGURATION = frozenset(
    {"required", "version", "distributed", "config", "print_config", "dist_rank", "local_rank", "dist_master_addr"}
    | {"dist_master_port", "dist_world_size", "dist_launcher"}
)


class JSTParser(config_argparse.ArgumentParser):
    """Parser whose `--config` file may be a saved config.yaml, and in which no wrong key or value passes.

    ESPnet's takes any value of a file for any option, refuses its own saved files, and prints three hundred options
    before the message.

    Raises:
        ConfigError: from `parse_args`, with the option, the value and the closest known one.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Defaults, then the file of `--config`, then the command line."""
        first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        first.add_argument("--config")
        config = first.parse_known_args(args)[0].config
        if config is not None:
            self.set_defaults(**self.read_config(config))
        return argparse.ArgumentParser.parse_known_args(self, args, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's; an unknown option is named together with the closest known one."""
        namespace, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(unknown_option(unknown[0], self))
        return namespace

    def read_config(self, path: str | Path) -> dict[str, Any]:
        """The checked content of a configuration file.

        Raises:
            ConfigError: the file is missing or no mapping, a key is unknown or refused, or a value is not one of the
                choices of its option.
        """
        values = read_yaml(path)
        if "runs" in values:
            raise ConfigError(
                f"{path}: it names training runs, which stage 11 of a recipe trains in order, each from a run.yaml "
                "that it writes into the folder of the run: give one of these"
            )
        actions = {action.dest: action for action in options_of(self)}
        for key in values:
            if key in REFUSED:
                raise ConfigError(refusal(f"{path}: {key}", key))
        values = {key: value for key, value in values.items() if key not in NOT_CONFIGURATION}
        known = set(actions) - set(REFUSED) - NOT_CONFIGURATION
        check_keys(values, known, str(path))
        return {key: _checked(value, actions[key], f"{path}: {key}") for key, value in values.items()}

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing every option and leaving."""
        raise ConfigError(f"{message} (--help lists the options that matter, --help-all lists all)")


class SafeDictAction(NestedDictAction):
    """`--encoder_conf size=144`: as ESPnet's, without its `eval` and YAML tags, which execute code."""

    def __call__(self, parser: Any, namespace: Any, values: str, option_strings: Any = None) -> None:
        conf = copy.deepcopy(getattr(namespace, self.dest, None) or {})
        key, equals, text = values.partition("=")
        try:
            if equals and key.replace(".", "").replace("_", "").isalnum():
                _set(conf, key.split("."), yaml.safe_load(text) if text.strip() else text)
            else:
                conf.update(_literal(values))
        except (ValueError, TypeError, yaml.YAMLError) as error:
            raise ConfigError(f"--{self.dest} {values}: give key=value, with a value as in YAML ({error})") from error
        setattr(namespace, self.dest, conf)


def strict_parser(parser: config_argparse.ArgumentParser) -> JSTParser:
    """Make the parser that AbsTask built a strict one, in place: AbsTask leaves no choice of the class."""
    parser.__class__ = JSTParser
    for action in options_of(parser):
        if action.choices is not None:
            action.type = _chosen(action)
        if type(action) is NestedDictAction:
            action.__class__ = SafeDictAction
    parser.allow_abbrev = False
    assert isinstance(parser, JSTParser)
    return parser


def _chosen(action: argparse.Action) -> Callable[[str], Any]:
    """What converts an option's value, and refuses one that is no choice before argparse does, with the closest."""
    convert, choices = action.type if callable(action.type) else str, action.choices or ()

    def chosen(text: str) -> Any:
        value = convert(text)
        if value not in choices:
            check_choice(str(value), [str(choice) for choice in choices], f"--{action.dest}")
        return value

    return chosen


def _checked(value: Any, action: argparse.Action, where: str) -> Any:
    """A value of a file, converted as the command line's would be where it is text or a whole float."""
    if isinstance(action, NestedDictAction):
        if value is not None and not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r}: give a mapping of keys to values")
        return dict(value or {})
    if isinstance(value, (list, tuple)):  # options that are repeated or take several values; rows are left as they are
        return [entry if isinstance(entry, (list, tuple)) else _checked(entry, action, where) for entry in value]
    if action.type is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if action.type is int and not isinstance(value, (int, str)) and value is not None:
        raise ConfigError(f"{where} is {value!r}: give a whole number")
    if isinstance(value, str) and callable(action.type):
        try:
            value = action.type(value)
        except (ValueError, TypeError, argparse.ArgumentTypeError) as error:
            raise ConfigError(f"{where} is {value!r}: {error}") from error
    unset = value is None and action.default is None
    if action.choices is not None and value not in action.choices and not unset:
        check_choice(str(value), [str(choice) for choice in action.choices], where)
    return value


def _literal(text: str) -> Mapping:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = yaml.safe_load(text)
    if not isinstance(value, Mapping):
        raise ValueError("not a mapping")
    return value


def _set(conf: dict, keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(conf.get(key), dict):
            conf[key] = {}
        conf = conf[key]
    conf[keys[-1]] = value
