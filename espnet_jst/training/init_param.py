"""`--init_param FILE:SRC:DST:EXCLUDE`: initialise a model, or a part of it, from another one's weights."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from espnet_jst.config import closest
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.weights import load_strict, read_weights


def load_part(init_param: str, model: nn.Module, *, ignore_mismatch: bool = False, map_location: str = "cpu") -> None:
    """Load weights as `--init_param` says.

    Args:
        init_param: "FILE", or "FILE:SRC:DST:EXCLUDE" where the last ones may be left out: SRC is the part of the file
            (such as "encoder", empty for all), DST the part of the model, EXCLUDE names of the file, separated by
            commas, that are not loaded.
        model: the model.
        ignore_mismatch: load the names that are on both sides with the same shape, and log the others.
        map_location: device.

    Raises:
        ConfigError: the argument has too many parts, or the model has no DST.
        CheckpointError: the file cannot be loaded, has no SRC or EXCLUDE, or its names or shapes are others.
    """
    fields = [field.strip() for field in init_param.split(":")]
    if len(fields) > 4:
        raise ConfigError(f"--init_param {init_param}: the form is FILE:SRC:DST:EXCLUDE")
    path, source, target, excluded = fields + [""] * (4 - len(fields))
    part = _part(model, target, init_param)
    excludes = [name for name in excluded.split(",") if name]
    state, skipped = _select(read_weights(path, device=map_location), source, excludes, init_param)
    where = f"--init_param {init_param}"
    if ignore_mismatch:
        state = _fitting(part.state_dict(), state, where)
        load_strict(part, state, where, may_miss=lambda key: True)
    else:
        load_strict(part, state, where, may_miss=(lambda key: _starts(key, skipped)) if skipped else None)


def _part(model: nn.Module, name: str, init_param: str) -> nn.Module:
    if not name:
        return model
    try:
        return model.get_submodule(name)
    except AttributeError:
        names = [known for known, _ in model.named_modules() if known]
        raise ConfigError(f"--init_param {init_param}: the model has no {name!r}{closest(name, names)}") from None


def _select(
    state: dict[str, Tensor], source: str, excludes: Sequence[str], init_param: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The selected weights, and the excluded names as they would be called in the model's part."""
    path = Path(init_param.split(":")[0])
    selected = {key: value for key, value in state.items() if not source or _starts(key, [source])}
    if not selected:
        tops = sorted({key.split(".")[0] for key in state})
        raise CheckpointError(f"--init_param {init_param}: {path} has no {source!r}; it has {', '.join(tops)}")
    for name in excludes:
        if not any(_starts(key, [name]) for key in selected):
            hint = closest(name, selected)
            raise CheckpointError(f"--init_param {init_param}: nothing in {path} is called {name!r}{hint}")
    cut = len(source) + 1 if source else 0
    kept = {key[cut:]: value for key, value in selected.items() if not _starts(key, excludes)}
    return kept, [name[cut:] for name in excludes]


def _fitting(own: dict[str, Tensor], state: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    for label, names in (
        ("not loaded", [key for key in state if key not in fitting]),
        ("not initialised", [key for key in own if key not in fitting]),
    ):
        if names:
            logging.warning(f"{where}: {len(names)} {label}: {', '.join(names)}")
    return fitting


def _starts(key: str, names: Sequence[str]) -> bool:
    """Whether `key` is one of `names` or lies inside one of them; "encoder" does not hold "encoder_proj"."""
    return any(key == name or key.startswith(f"{name}.") for name in names)
