"""`--finetune MODEL`: train a packed model (or an experiment) further on other data.

What makes the model is the model's own: the encoders, heads and frontend of its configuration, its token lists, the
statistics of its normalization, its weights. What makes the training is the recipe's: data, optimizer, schedule,
augmentation, and everything else of `--st_config`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from espnet_jst.errors import ConfigError
from espnet_jst.hub.about import about_model, write_base
from espnet_jst.hub.load import resolve
from espnet_jst.recipe.fit import check_fit
from espnet_jst.recipe.runs import write_config
from espnet_jst.text.token_list import read_tokens
from espnet_jst.untrusted.config_file import read_config

MODEL_KEYS = (
    *("frontend", "frontend_conf", "normalize", "normalize_conf", "encoder", "encoder_conf"),
    *("hier_encoder", "hier_encoder_conf", "model_conf"),
)
TOKENS = {"tgt": ("token_list", "bpemodel", "token_type"), "src": ("src_token_list", "src_bpemodel", "src_token_type")}


def model_files(model: str) -> dict[str, str]:
    """Configuration and weights of the model to go on from: a packed zip, a folder or a hub tag.

    Raises:
        CheckpointError: there is no such model, or it is damaged.
    """
    return resolve(model)


def model_inputs(model: str) -> list[Path]:
    """The files of that model, for the stages that it is an input of; none for a tag of the hub, which is its name."""
    path = Path(model).expanduser()
    if not model or not path.exists():
        return []
    return [path] if path.is_file() else [Path(name) for name in model_files(model).values()]


def copy_token_lists(
    folders: Mapping[str, Path], texts: Mapping[str, Path], *, model: str, anyway: bool, languages: Sequence[str]
) -> str:
    """Write the model's token lists where stage 5 would write new ones.

    Args:
        texts: lane -> text of the training set.
        anyway: also where it cannot write the text.

    Raises:
        ConfigError: the model has other token lists than the recipe's flags ask for, or cannot write the text.
    """
    files = model_files(model)
    values = _config(Path(files["st_train_config"]))
    sizes = []
    for side, out in folders.items():
        names, pieces, kind = (values.get(key) for key in TOKENS[side])
        if not names:
            raise ConfigError(f"{model} has no token list of the source: leave out --src_token_type")
        if kind != "bpe" or not pieces:
            raise ConfigError(f"{model}: token_type {kind!r} was not made by a recipe, which needs a model")
        out.mkdir(parents=True, exist_ok=True)
        tokens = names if isinstance(names, list) else read_tokens(names)
        if any(not isinstance(token, str) or not token or "\n" in token for token in tokens):
            raise ConfigError(f"{model}: its token list holds an entry that is no token")
        (out / "tokens.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
        with suppress(shutil.SameFileError):  # an experiment of this folder
            shutil.copyfile(pieces, out / "bpe.model")
        sizes.append(f"{len(tokens)} tokens of {model} in {out / 'tokens.txt'}")
    about = about_model(model, *files.values())[0]
    try:
        found = check_fit(model, values, folders, texts, known=about.languages, languages=languages, anyway=anyway)
    except ConfigError:  # so that no later stage goes on with them
        for out in folders.values():
            (out / "tokens.txt").unlink()
        raise
    for line in found:
        print(f"Warning: {model} {line}", flush=True)
    return ", ".join(sizes)


def training_config(model: str, values: Mapping[str, Any], folder: Path, *, fs: int) -> Path:
    """Write the configuration of a training that goes on from a model: the recipe's training, the model's own model.

    Args:
        fs: sampling rate of the recipe's audio in Hz.

    Raises:
        ConfigError: the model has another sampling rate.
    """
    own = _config(Path(model_files(model)["st_train_config"]))
    rate = (own.get("frontend_conf") or {}).get("fs")
    if rate not in (None, fs):
        raise ConfigError(f"{model} was trained at {rate} Hz: give --fs {rate}, stage 3 resamples")
    kept = {key: value for key, value in values.items() if key not in MODEL_KEYS}
    kept.update({key: own[key] for key in MODEL_KEYS if own.get(key) is not None})
    keep_base(model, folder)
    return write_config(folder / "finetune.yaml", kept)


def keep_base(model: str, folder: Path) -> None:
    """Write down in an experiment what it goes on from, with its licences, for the pack that is made of it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_base(folder, *about_model(model, *model_files(model).values()))


def _config(path: Path) -> dict[str, Any]:
    """The model's configuration with absolute paths, wherever the model lies."""
    values = read_config(path)
    for key in MODEL_KEYS:
        if key.endswith("_conf") and not isinstance(values.get(key), (dict, type(None))):
            raise ConfigError(f"{path}: {key} must be a mapping: this is no model to train further")
    return values
