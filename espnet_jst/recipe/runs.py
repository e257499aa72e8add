"""Named training runs: `runs` of a training configuration, each laid over the rest of the file, in order.

    runs:
      pretrain_asr: {max_epoch: 5, model_conf: {heads: {st: null}}}
      train: {init_from: pretrain_asr:encoder}

The last one makes the experiment; the others have folders of their own below it. A file with a `base` lays its runs
over those of the base, key by key as everything else; `pretrain_asr: null` takes that run of the base away, `runs:
null` all of them, and with `base: null` among them they take the place of the base's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from espnet_jst import plain_yaml
from espnet_jst.config import check_choice, config_files, merge, read_yaml, shown
from espnet_jst.errors import ConfigError

RUNS, INIT_FROM = "runs", "init_from"
HANDED_ON = "valid.loss.ave.pth"  # of a run, for those that start from it
RESERVED = ("images", "earlier", "tensorboard", "att_ws")  # folders of an experiment
SHARED = ("frontend", "frontend_conf")  # what the statistics of stage 10 are made of, once for all runs
PARTS = ("frontend", "normalize", "encoder", "hier_encoder", "inputs", "heads", "regularizers")  # that have weights
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training.

    Attributes:
        name: empty where the configuration names no runs.
        values: what the run makes of it; empty where it is taken as it is.
        init: values of `--init_param`: weights of runs before.
    """

    name: str
    folder: Path
    config: Path
    values: Mapping[str, Any]
    init: Sequence[str] = ()

    @property
    def hears_text(self) -> bool:
        """Whether its model hears text and no speech."""
        return self._said.get("input_size") is not None

    @property
    def further_inputs(self) -> list[str]:
        """Names of `model_conf.inputs`."""
        return list((self._said.get("model_conf") or {}).get("inputs") or {})

    @property
    def features(self) -> dict[str, Any]:
        """What the statistics of stage 10 are made with."""
        return {key: self._said.get(key) for key in SHARED}

    @property
    def _said(self) -> Mapping[str, Any]:
        return self.values or (read_yaml(self.config) if self.config.is_file() else {})

    @property
    def uses(self) -> dict[str, object]:
        """What the training depends on beside its inputs: another run of the same file may change without it."""
        return {"values": self.values, "init": list(self.init)} if self.name else {"values": {}, "init": []}

    @property
    def inputs(self) -> list[Path]:
        """Files that count by their contents: the configuration, or the weights of runs before."""
        if self.name:
            return [Path(value.split(":")[0]) for value in self.init]
        return config_files(self.config) if self.config.is_file() else [self.config]

    def written(self, folder: Path) -> Path:
        """The configuration as a file that `jst_train` reads, written into `folder` where it is a part of another."""
        return write_config(folder / "run.yaml", self.values) if self.name else self.config


def training_runs(config: Path, exp: Path) -> list[TrainingRun]:
    """The runs of a training configuration, in order.

    Args:
        config: the file; one that is not there has one run, which will say so.

    Raises:
        ConfigError: a run has a wrong name or key, or starts from one that is not before it or has not the part.
    """
    named, where = _named(config) if config.is_file() else None, f"{config}: {RUNS}"
    if named is None:
        return [TrainingRun(name="", folder=exp, config=config, values={})]
    whole = read_yaml(config)
    whole.pop(RUNS, None)
    if not isinstance(named, Mapping) or not named:
        raise ConfigError(f"{where} is {shown(named)}: give a mapping of names to what differs in each run")
    runs: dict[str, TrainingRun] = {}
    *_, last = named
    for name, own in named.items():
        here = f"{where}.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RESERVED:
            raise ConfigError(f"{here}: name a run by a letter, then letters, digits, _ and -; not {shown(name)}")
        if not isinstance(own, Mapping | None):
            raise ConfigError(f"{here} is {shown(own)}: give a mapping of the keys that differ in this run")
        own = dict(own or {})
        sources = own.pop(INIT_FROM, [])
        for key in SHARED:
            if key in own:
                raise ConfigError(f"{here}: {key} is the same for all runs: the statistics are made once")
        values = merge(whole, own)
        init = [
            _init_param(source, values, runs, f"{here}.{INIT_FROM}")
            for source in (sources if isinstance(sources, list) else [sources])
        ]
        folder = exp if name == last else exp / name
        runs[name] = TrainingRun(name=name, folder=folder, config=config, values=values, init=init)
    return list(runs.values())


def _named(config: Path) -> object:
    """`runs` of a file over those of the files below it; nulls stay, which take keys of the file away from a run."""
    found: object = None
    for path in reversed(config_files(config)):
        own = plain_yaml.read(path)
        if RUNS in own:
            below, found = found, _over(found, own[RUNS])
            if isinstance(below, Mapping) and isinstance(found, Mapping) and "base" not in found:
                found = {name: run for name, run in found.items() if run is not None or below.get(name) is None}
            if isinstance(found, Mapping) and found.get("base", "") is None:
                found = {name: run for name, run in found.items() if name != "base"}
    return found


def _over(below: object, own: object) -> object:
    """As `config.merge`, but a null stays."""
    if not isinstance(below, Mapping) or not isinstance(own, Mapping) or own.get("base", "") is None:
        return own
    return {**below, **{key: _over(below.get(key), value) for key, value in own.items()}}


def _init_param(source: object, values: Mapping[str, Any], runs: Mapping[str, TrainingRun], where: str) -> str:
    """`--init_param` of "<run>", or of "<run>:<part>" in ESPnet's form "<run>:SRC:DST:EXCLUDE"."""
    if not isinstance(source, str):
        raise ConfigError(f"{where} is {shown(source)}: give <run> or <run>:<part of the model>, or a list of these")
    name, *parts = source.split(":")
    if not runs:
        raise ConfigError(f"{where} is {shown(source)}: this is the first run, none is before it")
    check_choice(name, runs, where)
    before = runs[name]
    path = f"{before.folder / HANDED_ON}"
    if not parts:
        if _heads(before.values) != _heads(values):
            raise ConfigError(
                f"{where} is {shown(source)}: {name} has the heads {', '.join(_heads(before.values))} and this run "
                f"{', '.join(_heads(values))}; name parts that both have, such as [{name}:encoder]"
            )
        return path
    parts += parts[:1] if len(parts) == 1 else []  # the same part of this model
    for part, model, whose in ((parts[0], before.values, name), (parts[1], values, "this run")):
        check_choice(part.split(".")[0], PARTS, where)
        if not _has(model, part):
            raise ConfigError(f"{where} is {shown(source)}: {part} is no part of {whose}")
    return ":".join([path, *parts])


def _has(values: Mapping[str, Any], part: str) -> bool:
    """Whether a model may have a part, as far as its configuration says."""
    kind, _, name = part.partition(".")
    if kind == "heads" and name:
        return name.split(".")[0] in _heads(values)
    return kind != "hier_encoder" or bool(values.get("hier_encoder"))


def _heads(values: Mapping[str, Any]) -> list[str]:
    return sorted((values.get("model_conf") or {}).get("heads") or {})


def write_config(path: Path, values: Mapping[str, Any]) -> Path:
    """Write a training configuration. Returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path
