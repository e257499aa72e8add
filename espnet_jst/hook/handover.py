"""Which program runs a command of ESPnet's: ours where it is about a model of ours."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_jst.config import read_yaml
from espnet_jst.errors import JSTError
from espnet_jst.hub.load import find_config
from espnet_jst.untrusted.config_file import read_yaml as read_foreign_yaml

_MODEL_OPTIONS = ("model_tag", "st_train_config", "st_model_file", "transducer_conf")


def stand_in(program: str, arguments: Sequence[str]) -> str | None:
    """The module of ours that runs a command, or None where ESPnet's own does.

    Args:
        program: one of `espnet_jst.hook.PROGRAMS`.
        arguments: of the command line.
    """
    try:
        if program == "espnet2.bin.st_train":
            return "espnet_jst.bin.jst_train" if is_ours(_values(arguments, ())) else None
        values = _values(arguments, _MODEL_OPTIONS)
        config = _model_config(values)
        if config is None or not is_ours(read_foreign_yaml(config)):
            return None
    except (JSTError, OSError):  # what cannot be read is left to ESPnet, which says so in its own way
        return None
    # A configuration of ESPnet's searches asks for them, not for ours.
    return "espnet_jst.bin.espnet_search" if values.get("transducer_conf") else "espnet_jst.bin.jst_inference"


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


def _model_config(values: Mapping[str, Any]) -> Path | None:
    """The training configuration of the model to decode."""
    if values.get("model_tag"):
        return find_config(values["model_tag"])
    if values.get("st_train_config"):
        return Path(values["st_train_config"])
    return Path(values["st_model_file"]).parent / "config.yaml" if values.get("st_model_file") else None
