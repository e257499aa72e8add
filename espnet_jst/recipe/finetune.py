"""`--finetune MODEL`: train a packed model (or an experiment) further on other data.

What makes the model is the model's own: the encoders, heads and frontend of its configuration, its token lists, the
statistics of its normalization, its weights. What makes the training is the recipe's: data, optimizer, schedule,
augmentation, and everything else of `--st_config`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from espnet_jst import config
from espnet_jst.errors import ConfigError
from espnet_jst.recipe.fit import check_fit
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.text.token_list import read_tokens

MODEL_KEYS = (
    *("frontend", "frontend_conf", "normalize", "normalize_conf", "encoder", "encoder_conf"),
    *("hier_encoder", "hier_encoder_conf", "model_conf"),
)
TOKENS = {"tgt": ("token_list", "bpemodel", "token_type"), "src": ("src_token_list", "src_bpemodel", "src_token_type")}


def model_files(options: RecipeOptions) -> dict[str, str]:
    """Configuration and weights of the model to go on from.

    Raises:
        CheckpointError: there is no such model, or it is damaged.
    """
    from espnet_jst.hub.load import resolve

    return resolve(options.finetune)


def model_inputs(options: RecipeOptions) -> list[Path]:
    """The files of that model, for the stages that it is an input of; none for a tag of the hub, which is its name."""
    path = Path(options.finetune).expanduser()
    if not options.finetune or not path.exists():
        return []
    return [path] if path.is_file() else [Path(name) for name in model_files(options).values()]


def copy_token_lists(options: RecipeOptions) -> str:
    """Write the model's token lists where stage 5 would write new ones.

    Raises:
        ConfigError: the model has other token lists than the recipe's flags ask for, or cannot write the text.
    """
    files = model_files(options)
    values = _config(Path(files["st_train_config"]))
    sizes = []
    for side, out in options.token_dirs.items():
        names, model, kind = (values.get(key) for key in TOKENS[side])
        if not names:
            raise ConfigError(f"{options.finetune} has no token list of the source: leave out --src_token_type")
        if kind != "bpe" or not model:
            raise ConfigError(f"{options.finetune}: token_type {kind!r} was not made by a recipe, which needs a model")
        out.mkdir(parents=True, exist_ok=True)
        tokens = names if isinstance(names, list) else read_tokens(names)
        if any(not isinstance(token, str) or not token or "\n" in token for token in tokens):
            raise ConfigError(f"{options.finetune}: its token list holds an entry that is no token")
        (out / "tokens.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
        shutil.copyfile(model, out / "bpe.model")
        sizes.append(f"{len(tokens)} tokens of {options.finetune} in {out / 'tokens.txt'}")
    from espnet_jst.hub.about import about_model

    languages = about_model(options.finetune, *files.values())[0].languages
    try:
        found = check_fit(options, values, languages)
    except ConfigError:  # so that no later stage goes on with them
        for out in options.token_dirs.values():
            (out / "tokens.txt").unlink()
        raise
    for line in found:
        print(f"Warning: {options.finetune} {line}", flush=True)
    return ", ".join(sizes)


def training_config(options: RecipeOptions, model_config: str, folder: Path) -> Path:
    """Write the configuration of stage 11: the training of `--st_config` and the model's own model.

    Args:
        model_config: configuration of the model to go on from, see `model_files`.
        folder: where to write it.

    Raises:
        ConfigError: the model has another sampling rate than `--fs`.
    """
    values = {key: value for key, value in config.read_yaml(Path(options.st_config)).items() if key not in MODEL_KEYS}
    own = _config(Path(model_config))
    fs = (own.get("frontend_conf") or {}).get("fs")
    if fs not in (None, options.fs_hz):
        raise ConfigError(f"{options.finetune} was trained at {fs} Hz: give --fs {fs}, stage 3 resamples")
    values.update({key: own[key] for key in MODEL_KEYS if own.get(key) is not None})
    path = folder / "finetune.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")
    keep_base(options, path.parent)
    return path


def keep_base(options: RecipeOptions, folder: Path) -> None:
    """Write down in an experiment what it goes on from, with its licences, for the pack that is made of it."""
    from espnet_jst.hub.about import about_model, write_base

    write_base(folder, *about_model(options.finetune, *model_files(options).values()))


def _config(path: Path) -> dict[str, Any]:
    """The model's configuration with absolute paths, wherever the model lies."""
    from espnet_jst.untrusted.config_file import read_config

    values = read_config(path)
    for key in MODEL_KEYS:
        if key.endswith("_conf") and not isinstance(values.get(key), (dict, type(None))):
            raise ConfigError(f"{path}: {key} must be a mapping: this is no model to train further")
    return values
