"""`--init_param FILE:SRC:DST:EXCLUDE`: initialise a model, or a part of it, from another one's weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from espnet_jst.config import closest
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.token_marks import PREFIX, marks_in, other_lists, same_mark
from espnet_jst.weights import load_strict, read_weights


def load_part(
    init_param: str, model: nn.Module, *, ignore_init_mismatch: bool = False, map_location: str = "cpu"
) -> None:
    """Load weights as `--init_param` says; the selected names must be those of the model's part.

    It takes the place of ESPnet's `load_pretrained_model`, which takes missing and extra names without a word, takes
    "encoder" for the start of "encoder_proj", and executes code from the file.

    Args:
        init_param: "FILE", or "FILE:SRC:DST:EXCLUDE" where the last ones may be left out: SRC is the part of the file
            (such as "encoder", empty for all), DST the part of the model, EXCLUDE names of the file, separated by
            commas, that are not loaded.
        model: the model.
        ignore_init_mismatch: load the names that are on both sides with the same shape, and log the others.
        map_location: device.

    Raises:
        ConfigError: the argument has too many parts, or the model has no DST.
        CheckpointError: the file cannot be loaded, has no SRC or EXCLUDE, its names or shapes are others, or a head of
            it was trained with another token list.
    """
    fields = [field.strip() for field in init_param.split(":")]
    if len(fields) > 4:
        raise ConfigError(f"--init_param {init_param}: the form is FILE:SRC:DST:EXCLUDE")
    path, source, target, excluded = fields + [""] * (4 - len(fields))
    part = _part(model, target, init_param)
    excludes = [name for name in excluded.split(",") if name]
    found = read_weights(path, device=map_location)
    where = f"--init_param {init_param}"
    state, skipped = _select(found, source, excludes, init_param)
    # The marks of the token lists count for the parts that are loaded, and are no weights to load.
    state = {key: value for key, value in state.items() if not key.startswith(PREFIX)}
    if strangers := _strange_parts(model, marks_in(found), state, target):
        if not ignore_init_mismatch:
            raise CheckpointError(other_lists(where, sorted({*strangers.values()})))
        logging.warning(f"{where}: not loaded, because of another token list: {', '.join(strangers)}")
        state = {key: value for key, value in state.items() if not _starts(_joined(target, key), [*strangers])}
    if ignore_init_mismatch:
        state = _fitting(part.state_dict(), state, where)
        load_strict(part, state, where, may_miss=lambda key: True)
    else:
        load_strict(part, state, where, may_miss=(lambda key: _starts(key, skipped)) if skipped else None)


def _strange_parts(
    model: nn.Module, marks: Mapping[str, Tensor], state: Mapping[str, Tensor], target: str
) -> dict[str, str]:
    """Parts that would be loaded and whose token list is none of the file's, such as "heads.asr" -> vocabulary."""
    own = getattr(model, "token_lists", None)
    if own is None or not marks:
        return {}
    names = [_joined(target, key) for key in state]
    loaded = {part: name for part, name in own.used.items() if any(_starts(key, [part]) for key in names)}
    lists = dict(own.named_buffers())
    return {
        part: name
        for part, name in loaded.items()
        if not any(same_mark(lists[name], other) for other in marks.values())
    }


def _joined(target: str, key: str) -> str:
    return f"{target}.{key}" if target else key


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
