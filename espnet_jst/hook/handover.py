"""Which program runs a command of ESPnet's: ours where it is about a model of ours."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_jst.config import read_yaml
from espnet_jst.errors import JSTError
from espnet_jst.hub.load import find_config
from espnet_jst.registry import TABLE
from espnet_jst.untrusted.config_file import read_yaml as read_foreign_yaml

# Choices of ESPnet's tasks that a configuration or a command line may fill with a name of ours.
_PARTS = ("frontend", "specaug", "normalize", "encoder", "optim", "scheduler")
_MODEL_OPTIONS = (
    "model_tag",
    "transducer_conf",
    *(f"{task}_{file}" for task in ("st", "asr") for file in ("train_config", "model_file")),
)


def stand_in(program: str, arguments: Sequence[str]) -> str | None:
    """The module of ours that runs a command, or None where ESPnet's own does.

    Args:
        program: one of `espnet_jst.hook.PROGRAMS`.
        arguments: of the command line.
    """
    task, _, what = program.rpartition(".")[2].partition("_")
    try:
        if what == "train":
            values = _values(arguments, _PARTS)
            if task == "st" and is_ours(values):
                return "espnet_jst.bin.jst_train"
            return "espnet_jst.bin.espnet_with_parts" if has_parts_of_ours(values) else None
        values = _values(arguments, _MODEL_OPTIONS)
        path = _model_config(values, task)
        config = read_foreign_yaml(path) if path else {}
    except (JSTError, OSError):  # what cannot be read is left to ESPnet, which says so in its own way
        return None
    if task == "st" and is_ours(config):
        # A configuration of ESPnet's searches asks for them, not for ours.
        return "espnet_jst.bin.espnet_search" if values.get("transducer_conf") else "espnet_jst.bin.jst_inference"
    return "espnet_jst.bin.espnet_with_parts" if not is_ours(config) and has_parts_of_ours(config) else None


def has_parts_of_ours(config: Mapping[str, Any]) -> bool:
    """Whether a training configuration of ESPnet's task names a frontend, an encoder, ... of ours."""
    return any(str(config.get(choice)) in TABLE[choice] for choice in _PARTS)  # anything may stand there


def is_ours(config: Mapping[str, Any]) -> bool:
    """Whether a training configuration describes a model of JSTTask."""
    conf = config.get("model_conf")
    return isinstance(conf, Mapping) and bool(conf.get("heads"))


def _values(arguments: Sequence[str], options: Sequence[str]) -> dict[str, Any]:
    """What the file of `--config` holds, and over it these options of the command line."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for name in ("config", *options):
        parser.add_argument(f"--{name}", nargs="?")
    given = vars(parser.parse_known_args(arguments)[0])
    config = given.pop("config", None)
    return {**(read_yaml(config) if config else {}), **given}


def _model_config(values: Mapping[str, Any], task: str) -> Path | None:
    """The training configuration of the model to decode."""
    if values.get("model_tag"):
        return find_config(values["model_tag"])
    if values.get(f"{task}_train_config"):
        return Path(values[f"{task}_train_config"])
    model = values.get(f"{task}_model_file")
    return Path(model).parent / "config.yaml" if model else None
