"""What the training configuration says of the data is read from it, and not said again by a flag."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from espnet_jst import registry
from espnet_jst.config import closest, read_yaml
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.channels import channels_of
from espnet_jst.keys import keys_of
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.options.data import rate_hz
from espnet_jst.recipe.options.groups import Options
from espnet_jst.recipe.runs import training_runs

Value = TypeVar("Value", str, float)
FRONTEND = "log_mel"  # by default
ENCODER = "chunk_conformer"  # likewise
FACTORS = ("subsampling", "output_subsampling")  # keys of our encoders: input frames per frame of the top


def completed(options: Options) -> Options:
    """Options with what the training configuration knows; flags count where it says nothing.

    A model that is trained further has a configuration of its own, of which the texts are no part, and options of
    `--st_args` go before the file's: then the flags count.

    Raises:
        ConfigError: a flag contradicts the configuration, or that cannot be read.
    """
    training, config = options.training, Path(options.training.st_config)
    if not config.is_file():
        return options
    values = _values(config, training.st_args)
    found: dict[str, Any] = {"speakers": _listed(_mapping(values, "preprocessor_conf").get("speakers"))}
    if training.finetune:
        return options.changed(**found)
    fs = _mapping(values, "frontend_conf").get("fs")
    if isinstance(fs, int) and fs > 0:  # what is no rate, the frontend refuses
        _agree(options.data.fs, f"{fs}", f"{config}: frontend_conf.fs", "fs", rate_hz)
        found["fs"] = f"{fs}"
    if (channels := _channels(values)) is not None:
        _agree(options.data.audio_channels, channels, f"{config}: channels of the frontend", "audio_channels", int)
        found["audio_channels"] = channels
    if (frame_s := _frame_s(values)) is not None:
        _agree(options.data.encoder_frame_s, frame_s, f"{config}: hop_s times subsampling", "encoder_frame_s", _rounded)
        found["encoder_frame_s"] = frame_s
    if tags := _tags(values):
        _agree(options.text.tag_scheme, tags, f"{config}: tags of the heads", "tag_scheme", str)
        found["tag_scheme"] = tags
    found["frame_tokens"] = _frame_tokens(values)
    for key, flag in (("source_languages", "src_lang"), ("target_languages", "tgt_lang")):
        found[key] = codes = _listed(_mapping(values, "preprocessor_conf").get(key))
        code = getattr(options.text, flag)
        several = len(codes) > 1 and code.split("-")[0] == "mul"  # texts in all of them
        if codes and code in options.text.languages and code not in codes and not several:
            raise ConfigError(
                f"--{flag} {code}: {config}: preprocessor_conf.{key} has {', '.join(codes)}{closest(code, codes)}; "
                "give one of them"
            )
    return options.changed(**found)


def _values(config: Path, st_args: str) -> Mapping[str, Any]:
    """The configuration of the last run, without what the command line says in its place."""
    last = training_runs(config, Path())[-1]
    values = last.values if last.name else read_yaml(config)
    try:
        given = options_of(shlex.split(st_args))
    except ValueError:  # the check of the option says so
        given = {}
    return {key: value for key, value in values.items() if key not in given}


def _mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _channels(values: Mapping[str, Any]) -> int | None:
    """Channels that the frontend takes, where the configuration says that there are several."""
    channels = channels_of(values.get("frontend", FRONTEND), _mapping(values, "frontend_conf"))
    return channels if channels != 1 else None


def _frame_s(values: Mapping[str, Any]) -> float | None:
    """Seconds of an output frame of the encoder, where the configuration names what it is made of."""
    default_hop_s, encoder = frontend_default(values, "hop_s"), values.get("encoder", ENCODER)
    if default_hop_s is None or encoder not in registry.names("encoder"):
        return None
    keys, given = keys_of(registry.conf_of("encoder", encoder)), _mapping(values, "encoder_conf")
    hop_s, factors = _mapping(values, "frontend_conf").get("hop_s"), [given.get(name) for name in FACTORS]
    numbers = [value for value in (hop_s, *factors) if value is not None]
    if not numbers or not all(isinstance(value, (int, float)) and value > 0 for value in numbers):
        return None  # not said, or what builds the model says that it is wrong
    defaults: list[Any] = [keys[name].default if name in keys else 1 for name in FACTORS]
    frames = [default if value is None else value for value, default in zip(factors, defaults, strict=True)]
    return _rounded(math.prod([hop_s or default_hop_s, *frames]))


def _frame_tokens(values: Mapping[str, Any]) -> int:
    """Tokens for an output frame of the encoder, where it reads tokens; 1 if that is not known."""
    encoder = values.get("encoder", ENCODER)
    if encoder not in registry.names("encoder"):
        return 1
    keys, given = keys_of(registry.conf_of("encoder", encoder)), _mapping(values, "encoder_conf")
    factors = [given.get(name, keys[name].default) for name in FACTORS if name in keys]
    return math.prod(value if isinstance(value, int) and value > 0 else 1 for value in factors)


def frontend_default(values: Mapping[str, Any], name: str) -> Any:
    """The default of a key of `frontend_conf`; None where the frontend has no such key, or is somebody else's."""
    frontend = values.get("frontend", FRONTEND)
    if frontend not in registry.names("frontend"):
        return None
    item = keys_of(registry.conf_of("frontend", frontend)).get(name)
    return None if item is None else item.default


def _rounded(value: float) -> float:
    return round(value, 6)


def _tags(values: Mapping[str, Any]) -> str:
    """The tag scheme of the heads, where they name one."""
    heads = _mapping(_mapping(values, "model_conf"), "heads").values()
    named = {head["tags"] for head in heads if isinstance(head, Mapping) and isinstance(head.get("tags"), str)}
    return named.pop() if len(named) == 1 else ""


def _listed(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(map(str, value)) if isinstance(value, Iterable) else ()


def _agree(given: Value, said: Value, where: str, flag: str, meaning: Callable[[Value], object]) -> None:
    """Refuse a flag that was given and does not mean what the configuration says."""
    if given and meaning(given) != meaning(said):
        raise ConfigError(f"--{flag} {given}: {where} is {said}; leave out the flag, or change the configuration")
