"""Stage 10: feature statistics of the training set, by `jst_train` in shards."""

from __future__ import annotations

import os
import shlex
import shutil
from functools import partial
from pathlib import Path

from espnet_jst.data import kaldi
from espnet_jst.jobs.command import Job, python, run_jobs, run_logged
from espnet_jst.jobs.shards import split_evenly
from espnet_jst.recipe.options import DataOptions, RunOptions, TextOptions, TrainingOptions
from espnet_jst.recipe.runs import TrainingRun, training_runs
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.frames import cached_frontend
from espnet_jst.recipe.stamp import named_files
from espnet_jst.recipe.training_files import TrainingFiles
from espnet_jst.registry import PLUGINS_VARIABLE

SHARD = 2000  # statistics of fewer utterances are not worth the start of a further process


def statistics_stage(
    data: DataOptions, text: TextOptions, training: TrainingOptions, run: RunOptions, *, skip: str
) -> Stage:
    """Statistics, where normalization needs them; once for all runs, with the configuration of the last."""
    unused = "--feats_normalize none" if training.feats_normalize == "none" else ""
    if training.finetune:
        unused = "--finetune keeps the model's own"
    elif text.has_units:
        unused = "units have no features"
    folder, config = training.stats_dir(text.tag), Path(training.st_config)
    last = training_runs(config, training.exp(text.tag))[-1]
    files = TrainingFiles.of(data, text, frames=cached_frontend(training))
    return Stage(
        number=10,
        name="collect statistics",
        run=partial(collect_stats, files, last, folder, nj=run.nj),
        uses={"count": training.stats_utterances, "flags": training.st_args, "values": last.uses["values"]},
        # What a named run makes of its configuration counts as what it says.
        inputs=[*([] if last.name else last.inputs), *files.inputs, *named_files(training.st_args, config)],
        outputs=[stats_file(folder)],
        facts=plugins,
        stamp=folder / ".stages" / "10.json",
        skip=skip or unused,
    )


def stats_file(folder: Path) -> Path:
    """Feature statistics of the training set."""
    return folder / "train" / "feats_stats.npz"


def plugins() -> dict[str, str]:
    """The packages whose encoders and frontends a configuration may name."""
    return {PLUGINS_VARIABLE: os.environ.get(PLUGINS_VARIABLE, "")}


def train_command(files: TrainingFiles, config: Path) -> list[str]:
    """`jst_train` with everything that statistics and training share."""
    start = python("-m", "espnet_jst.bin.jst_train", "--config", config, "--use_preprocessor", "true")
    return [*start, *files.flags]


def collect_stats(
    files: TrainingFiles, run: TrainingRun, folder: Path, *, nj: int = 1, count: int, flags: str, values: object = None
) -> str:
    """Collect statistics in shards that are joined afterwards.

    Args:
        run: whose configuration says what the features are.
        count: utterances, evenly spaced; 0 takes all.
    """
    logdir = folder / "logdir"
    shutil.rmtree(logdir, ignore_errors=True)
    keys, others = (list(kaldi.read_table(path)) for path in files.shapes.values())
    keys = spaced(keys, count)
    # Validation only has to be there; training takes its statistics from the training set.
    others = spaced(others, nj)
    shards = max(1, min(nj, len(keys) // SHARD, len(others)))
    start = train_command(files, run.written(logdir))
    start += ["--collect_stats", "true", "--ngpu", "0", "--normalize", "none"]
    jobs = []
    for number, parts in enumerate(zip(split_evenly(keys, shards), split_evenly(others, shards)), start=1):
        command = list(start)
        for side, part in zip(files.shapes, parts):
            key_file = logdir / f"{side}.{number}.scp"
            kaldi.write_table(key_file, {key: key for key in part})
            command += [f"--{side}_shape_file", str(key_file)]
        command += shlex.split(flags)
        jobs.append(Job(command, logdir / f"stats.{number}", logdir / f"stats.{number}.log"))
    run_jobs(jobs, nj=nj, title="statistics")
    joined = [part for job in jobs for part in ("--input_dir", job.output)]
    join = python("-m", "espnet2.bin.aggregate_stats_dirs", *joined, "--output_dir", folder)
    run_logged(join, folder / "aggregate.log")
    return f"{len(keys)} utterances"


def spaced(keys: list[str], count: int) -> list[str]:
    """`count` keys evenly spaced over all (they are sorted by speaker); all where `count` is 0 or too large."""
    if not 0 < count < len(keys):
        return keys
    return [keys[index * len(keys) // count] for index in range(count)]
