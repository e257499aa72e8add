"""The training configuration is tried before the first stage: what `jst_train` refuses is not found after hours.

The model, optimizer and schedule of `--st_config` and `--st_args` are built once by `jst_train --dry_run`, with
stand-ins for the token lists and statistics that do not exist yet. That imports ESPnet in a process of its own; a
configuration that passed is not tried again.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from espnet_jst.config import config_files, json_text, read_yaml
from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.inputs.channels import channels_of
from espnet_jst.inputs.spec import FRAMES, SPEECH
from espnet_jst.jobs.command import python, run_logged
from espnet_jst.recipe.experiment import options_of
from espnet_jst.recipe.finetune import model_inputs, training_config
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.options.known import FRONTEND, frontend_default
from espnet_jst.recipe.runs import training_runs
from espnet_jst.recipe.stage import Stage, perform
from espnet_jst.recipe.stages.statistics import plugins
from espnet_jst.recipe.stamp import named_files
from espnet_jst.recipe.training_files import BATCH_NAMES, LANGUAGES
from espnet_jst.recipe.unit_training import WORDS
from espnet_jst.text.lanes import TRANSCRIPT, TRANSLATION
from espnet_jst.text.token_list import BLANK, SOS_EOS, UNK
from espnet_jst.training.conf import parse_groups
from espnet_jst.version import __version__


def check_training(options: Options) -> None:
    """Try the training configuration, unless it passed before.

    Raises:
        ConfigError: names the configuration, the key and what is wrong with it.
    """
    training = options.training
    config = Path(training.st_config)
    stage = Stage(
        number=0,
        name="training configuration",
        run=partial(try_configuration, config, options),
        uses={
            "flags": training.st_args,
            "fs": options.data.fs_hz,
            **({"channels": options.data.channels} if options.data.channels > 1 else {}),
            "tags": options.text.tags,
            "joint": options.text.joint,
            "sides": options.text.token_sides,
            "normalize": training.feats_normalize if training.uses_stats else "",
            "minutes": training.minutes,
            "model": training.finetune,
            "data": tried_data(options),
            "words": bool(options.text.text_share),
            "made": [options.data.datadir, options.data.dumpdir],
        },
        inputs=[*config_files(config), *named_files(training.st_args, config), *model_inputs(training.finetune)],
        facts=lambda: {**plugins(), "version": __version__},
        stamp=options.exp / ".stages" / "0.json",
    )
    if not stage.is_done():
        print(f"{config}: tried before the first stage ...", flush=True)
        perform(stage)


def tried_data(options: Options) -> list[str]:
    """Names of everything that training may read of a set."""
    lanes = options.text.files.by_lane
    names = [
        "units" if options.text.has_units else FRAMES if options.training.cache_frames else SPEECH,
        *(name for lane, name in BATCH_NAMES.items() if lane in lanes),
    ]
    names += ["alignment"] if options.text.files.both else []
    names += [name for table, name in LANGUAGES.items() if may_have(table, options)]
    times = options.text.files.transcript is not None and may_have("word_times", options)
    return names + (["word_times"] if times else [])


def may_have(table: str, options: Options) -> bool:
    """Whether the training sets have, or may get, a table: unknown as long as a script has to make the data."""
    run, data = options.run, options.data
    if run.stage <= 1 and not data.corpus_dir:
        return True
    if run.stage <= 1:
        return (Path(data.corpus_dir) / table).is_file()
    folder = Path(data.datadir) if run.stage <= 3 else data.raw
    return all((folder / name / table).is_file() for name in data.training_sets)


def try_configuration(
    config: Path,
    options: Options,
    *,
    fs: int,
    tags: Sequence[str],
    joint: bool,
    sides: Sequence[str],
    flags: str,
    normalize: str,
    minutes: float,
    model: str,
    data: Sequence[str],
    words: bool,
    made: Sequence[str],
    channels: int = 1,
) -> None:
    """Let `jst_train` build what the configuration asks for, each run of it.

    Raises:
        ConfigError: what it refuses.
    """
    for run in training_runs(config, options.exp):
        with TemporaryDirectory(prefix="jst-try-") as name:
            folder = Path(name)
            written = run.written(folder)
            if model:
                written = training_config(model, read_yaml(written), folder, fs=fs)
            values = read_yaml(written)
            where = f"--st_config {config}" + (f", run {run.name}" if run.name else "")
            hears = values.get("input_size") is None
            if hears:
                _check_rate(values, where, fs, flags)
                _check_channels(values, where, channels, flags)
            _check_lanes(values, where, joint, data)
            _check_groups(values, where, made)
            arguments = _stand_ins(
                folder, tags, sides, [name for name in data if hears or name not in (SPEECH, FRAMES)]
            )
            arguments += _stand_in_words(folder) if words and WORDS in run.further_inputs else []
            if normalize and hears:
                if values.get("normalize", normalize) in (None, "none"):
                    raise ConfigError(
                        f"{where}: normalize is none, and --feats_normalize {normalize} would take its place: give "
                        "--feats_normalize none"
                    )
                arguments += ["--normalize", normalize, "--normalize_conf", f"stats_file={_statistics(folder)}"]
            if minutes > 0:
                arguments += ["--max_train_minutes", f"{minutes:g}"]
            # One process and no GPU: what is tried is the configuration.
            arguments += [*_alone(shlex.split(flags)), "--dry_run", "true", "--ngpu", "0", "--resume", "false"]
            start = python("-m", "espnet_jst.bin.jst_train", "--config", written, "--use_preprocessor", "true")
            try:
                run_logged([*start, *arguments], folder / "train.log")
            except JSTError as error:
                reason = str(error).rpartition(" (log: ")[0] or str(error)
                raise ConfigError(f"{where}: {reason.removeprefix('jst_train: error: ')}") from error


def _stand_ins(folder: Path, tags: Sequence[str], sides: Sequence[str], data: Sequence[str]) -> list[str]:
    """Flags for token lists and data that are not there yet."""
    tokens = folder / "tokens.txt"
    lines = (BLANK, UNK, *tags, "a", SOS_EOS)
    tokens.write_text("".join(f"{token}\n" for token in lines), encoding="utf-8")
    flags = ["--output_dir", f"{folder / 'exp'}"]
    for side in sides:
        prefix = "src_" if side == "src" else ""
        # Words need no SentencePiece model, which would be the other thing that is not there yet.
        flags += [f"--{prefix}token_type", "word", f"--{prefix}token_list", f"{tokens}"]
    for side in ("train", "valid"):
        for name in data:
            kind = {SPEECH: "sound", FRAMES: "npy"}.get(name, "text")
            flags += [f"--{side}_data_path_and_name_and_type", f"{tokens.as_posix()},{name},{kind}"]
        flags += [f"--{side}_shape_file", f"{tokens}"]
    return flags


def _stand_in_words(folder: Path) -> list[str]:
    """Flags for the text that goes through the same parameters as units."""
    tokens = (folder / "tokens.txt").as_posix()
    data = [[tokens, WORDS, "text"], [tokens, BATCH_NAMES[TRANSLATION], "text"]]
    return ["--train_groups", json_text({WORDS: {"data": data, "shape_files": [tokens], "share": 0.5}})]


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


def _check_rate(values: Mapping, where: str, audio_fs: int, flags: str) -> None:
    """Audio of another rate than the frontend's would only be found when training begins, or not at all."""
    default = frontend_default(values, "fs")
    if "frontend_conf" in options_of(shlex.split(flags)) or default is None:
        return
    fs = (values.get("frontend_conf") or {}).get("fs", default)
    if fs != audio_fs:
        raise ConfigError(
            f"{where}: frontend_conf.fs is {fs}, and stage 3 makes audio of --fs {audio_fs}: give both the same rate"
        )


def _check_channels(values: Mapping, where: str, there: int, flags: str) -> None:
    """Audio of other channels than the frontend takes would only be found when statistics are collected."""
    given = options_of(shlex.split(flags))
    if "frontend" in given or "frontend_conf" in given:
        return
    channels = channels_of(values.get("frontend", FRONTEND), values.get("frontend_conf"))
    if channels > 1 and channels != there:
        raise ConfigError(
            f"{where}: the frontend takes {channels} channels, and stage 3 makes audio of --audio_channels {there}: "
            f"give --audio_channels {channels}"
        )


def _check_lanes(values: Mapping, where: str, joint: bool, data: Sequence[str]) -> None:
    heads = (values.get("model_conf") or {}).get("heads")
    for name, head in heads.items() if isinstance(heads, Mapping) else ():
        lanes = head.get("lanes") if isinstance(head, Mapping) else None
        here = f"{where}: model_conf.heads.{name} writes"
        for lane, flag in ((TRANSCRIPT, "--src_lang"), (TRANSLATION, "--tgt_lang")):
            if isinstance(lanes, list) and lane in lanes and BATCH_NAMES[lane] not in data:
                raise ConfigError(
                    f"{here} the {lane}, and {flag} none says that the corpus has none: leave the lane out"
                )
        if isinstance(lanes, list) and len(lanes) > 1 and not joint:
            raise ConfigError(
                f"{here} both lanes into one stream and needs one token list of both languages: leave out "
                "--token_joint false, or give it one lane"
            )


def _check_groups(values: Mapping, where: str, made: Sequence[str]) -> None:
    """Files of `train_groups` are there from the start, unless they are where stages write."""
    for group in parse_groups(values.get("train_groups")):
        for name in (*(row[0] for row in group.data), *group.shape_files):
            path = Path(name)
            if not path.is_file() and not any(path.absolute().is_relative_to(Path(root).absolute()) for root in made):
                raise ConfigError(
                    f"{where}: {group.where}: there is no file {name}, and it is not in {' or '.join(made)}"
                )
