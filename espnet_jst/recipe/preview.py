"""The training configuration is tried before the first stage: what `jst_train` refuses is not found after hours.

The model, optimizer and schedule of `--st_config` and `--st_args` are built once by `jst_train --dry_run`, with
stand-ins for the token lists and statistics that do not exist yet. That imports ESPnet in a process of its own; a
configuration that passed is not tried again.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from espnet_jst.config import config_files, read_yaml
from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.jobs.command import python, run_logged
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.finetune import model_files, model_inputs, training_config
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.prepare import tag_symbols
from espnet_jst.recipe.stage import Stage, perform
from espnet_jst.recipe.stamp import named_files
from espnet_jst.recipe.training import plugins, uses_stats
from espnet_jst.text.token_list import BLANK, SOS_EOS, UNK
from espnet_jst.version import __version__

DEFAULT_FS = 16000  # of log_mel
TRIED = ("speech,sound", "text,text", "src_text,text", "alignment,text")


def check_training(options: RecipeOptions) -> None:
    """Try the training configuration, unless it passed before.

    Raises:
        ConfigError: names the configuration, the key and what is wrong with it.
    """
    config = Path(options.st_config)
    stage = Stage(
        number=0,
        name="training configuration",
        run=try_configuration,
        options=options,
        inputs=[*config_files(config), *named_files(options.st_args, config), *model_inputs(options)],
        facts=lambda: {**plugins(), "version": __version__, "word_times": may_have_word_times(options)},
        stamp=options.exp / ".stages" / "0.json",
    )
    if not stage.is_done():
        print(f"{config}: tried before the first stage ...", flush=True)
        perform(stage)


def may_have_word_times(options: RecipeOptions) -> bool:
    """Whether the training sets have, or may get, word end times: unknown as long as a script has to make the data."""
    if options.stage <= 1 and not options.corpus_dir:
        return True
    if options.stage <= 1:
        return (Path(options.corpus_dir) / "word_times").is_file()
    folder = Path(options.datadir) if options.stage <= 3 else options.raw
    return all((folder / name / "word_times").is_file() for name in options.training_sets)


def try_configuration(options: RecipeOptions) -> None:
    """Let `jst_train` build what the configuration asks for.

    Raises:
        ConfigError: what it refuses.
    """
    with TemporaryDirectory(prefix="jst-try-") as name:
        folder = Path(name)
        config = options.st_config
        if options.finetune:
            config = str(training_config(options, model_files(options)["st_train_config"], folder))
        values = read_yaml(config)
        _check_rate(options, values)
        _check_lanes(options, values)
        try:
            run_logged(_command(options, config, folder), folder / "train.log")
        except JSTError as error:
            reason = str(error).rpartition(" (log: ")[0] or str(error)
            raise ConfigError(
                f"--st_config {options.st_config}: {reason.removeprefix('jst_train: error: ')}"
            ) from error


def _command(options: RecipeOptions, config: str, folder: Path) -> list[str]:
    arguments: list[object] = ["--config", config, "--use_preprocessor", "true", "--output_dir", folder / "exp"]
    tokens = folder / "tokens.txt"
    lines = (BLANK, UNK, *tag_symbols(options), "a", SOS_EOS)
    tokens.write_text("".join(f"{token}\n" for token in lines), encoding="utf-8")
    for side in options.token_sides:
        prefix = "src_" if side == "src" else ""
        # Words need no SentencePiece model, which would be the other thing that is not there yet.
        arguments += [f"--{prefix}token_type", "word", f"--{prefix}token_list", tokens]
    data = [*TRIED, "word_times,text"] if may_have_word_times(options) else TRIED
    for side in ("train", "valid"):
        for entry in data:
            arguments += [f"--{side}_data_path_and_name_and_type", f"{tokens.as_posix()},{entry}"]
        arguments += [f"--{side}_shape_file", tokens]
    if uses_stats(options):
        arguments += ["--normalize", options.feats_normalize, "--normalize_conf", f"stats_file={_statistics(folder)}"]
    if options.minutes > 0:
        arguments += ["--max_train_minutes", f"{options.minutes:g}"]
    # One process and no GPU: what is tried is the configuration.
    dry = ["--dry_run", "true", "--ngpu", "0", "--resume", "false"]
    return python("-m", "espnet_jst.bin.jst_train", *arguments, *_alone(shlex.split(options.st_args)), *dry)


def _alone(words: Sequence[str]) -> list[str]:
    """Options without those that would wait for other processes."""
    kept: list[str] = []
    keep = True
    for word in words:
        if word.startswith("--"):
            keep = not word.startswith(("--dist_", "--multiprocessing_distributed", "--cpu_processes"))
        kept += [word] if keep else []
    return kept


def _statistics(folder: Path) -> str:
    """Statistics in the form that stage 10 leaves, of one number, which goes with any frontend."""
    import numpy as np

    path = folder / "feats_stats.npz"
    np.savez(path, count=np.array(2), sum=np.zeros(1), sum_square=np.ones(1))
    return path.as_posix()


def _check_rate(options: RecipeOptions, values: Mapping) -> None:
    """Audio of `--fs` for a frontend of another rate would only be found when training begins, or not at all."""
    if "frontend_conf" in options_of(shlex.split(options.st_args)) or values.get("frontend", "log_mel") != "log_mel":
        return
    fs = (values.get("frontend_conf") or {}).get("fs", DEFAULT_FS)
    if fs != options.fs_hz:
        raise ConfigError(
            f"--st_config {options.st_config}: frontend_conf.fs is {fs}, and stage 3 makes audio of --fs {options.fs}: "
            "give both the same rate"
        )


def _check_lanes(options: RecipeOptions, values: Mapping) -> None:
    heads = (values.get("model_conf") or {}).get("heads")
    for name, head in heads.items() if isinstance(heads, Mapping) else ():
        lanes = head.get("lanes") if isinstance(head, Mapping) else None
        if isinstance(lanes, list) and len(lanes) > 1 and not options.token_joint:
            raise ConfigError(
                f"--st_config {options.st_config}: model_conf.heads.{name} writes both lanes into one stream and needs "
                "one token list of both languages: leave out --token_joint false, or give it one lane"
            )
