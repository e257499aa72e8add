"""Stage 11: training, by `jst_train`; one run, or the named runs of the configuration in order."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from espnet_jst.config import config_files, read_yaml
from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.hub.made import note_training
from espnet_jst.jobs.command import run_logged
from espnet_jst.jobs.workers import workers
from espnet_jst.recipe.experiment import beginning, open_experiment
from espnet_jst.recipe.finetune import model_files, model_inputs, training_config
from espnet_jst.recipe.options import DataOptions, Options, RunOptions, TextOptions, TrainingOptions
from espnet_jst.recipe.options.option import check_least, check_words
from espnet_jst.recipe.pretrained import keep_pretrained
from espnet_jst.recipe.runs import HANDED_ON, TrainingRun, training_runs
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages import mbart, whisper_decoder
from espnet_jst.recipe.stages.frames import cached_frontend
from espnet_jst.recipe.stages.start import initial_weights
from espnet_jst.recipe.stages.statistics import plugins, stats_file, train_command
from espnet_jst.recipe.stamp import named_files
from espnet_jst.recipe.training_files import TrainingFiles, links_file
from espnet_jst.text.align.corrupt import corrupt_links
from espnet_jst.text.align.pharaoh import read_pharaoh, write_pharaoh
from espnet_jst.text.units import split_units


def check(training: TrainingOptions, run: RunOptions, text: TextOptions) -> None:
    """Refuse a training that could not begin.

    Raises:
        ConfigError: names the option.
    """
    check_words("st_args", training.st_args)
    check_least(training, minutes=0)
    if not run.runs(11, skip=run.skip_train):
        return
    config = Path(training.st_config)
    config_files(config)
    last = training_runs(config, Path())[-1]
    if last.hears_text and not text.has_units:
        raise ConfigError(
            f"{config}: its model hears text, and a recipe ends with one that hears speech: name both as runs, the "
            "latter last, or train the text alone by espnet-jst train"
        )
    if text.has_units and not last.hears_text:
        raise ConfigError(
            f"--kmeans_feature: {config} has no input_size: give a configuration whose model reads units, such as "
            "conf/units_hard_sharing.yaml"
        )
    if text.mbart:
        mbart.check(training, text)
    if text.whisper_decoder:
        whisper_decoder.check(training, text)
    if last.name and training.finetune:
        raise ConfigError(f"--finetune {training.finetune}: {config} names runs; give a configuration of one training")
    if run.ngpu > 0 and run.num_nodes == 1:
        import torch

        if run.ngpu > torch.cuda.device_count():
            raise ConfigError(f"--ngpu {run.ngpu}: this machine has {torch.cuda.device_count()} GPUs that PyTorch sees")


def training_stages(options: Options, *, skip: str) -> Iterator[Stage]:
    """The training of every run, after the links are spoilt where that was asked for."""
    data, text, training = options.data, options.text, options.training
    if training.corrupt_links > 0 and text.files.both:
        yield corruption_stage(data, f"{text.files.translation}", training.corrupt_links, skip=skip)
    starts: list[Path] = []
    init: list[str] = []
    if text.mbart:
        starts = [initial_weights(options.exp, mbart.FLAG)]
        init = [f"{file}" for file in starts]
        yield mbart.weights_stage(data, text, training, options.exp, skip=skip)
    elif text.whisper_decoder:
        starts = [initial_weights(options.exp, whisper_decoder.FLAG)]
        init = [whisper_decoder.init_flag(training, *starts)]
        yield whisper_decoder.weights_stage(data, text, training, options.exp, skip=skip)
    every = TrainingFiles.of(
        data, text, corrupt=training.corrupt_links, expdir=training.expdir, frames=cached_frontend(training)
    )
    for run in training_runs(Path(training.st_config), options.exp):
        last = run.folder == options.exp
        files = every.without_speech() if run.hears_text and not text.has_units else every
        files = files.of_inputs(run.further_inputs)
        stats = [stats_file(options.stats_dir)] if training.uses_stats and not run.hears_text else []
        inputs = [*run.inputs, *files.inputs, *named_files(training.st_args, Path(training.st_config))]
        inputs += [*model_inputs(training.finetune), *stats, *starts]
        yield Stage(
            number=11,
            name=f"train {run.name}".strip(),
            run=partial(train, files, run, inputs, stats, fs=data.fs_hz, machines=options.run),
            uses={
                "flags": training.st_args,
                "seed": training.seed,
                "normalize": training.feats_normalize,
                "minutes": training.minutes,
                "model": training.finetune,
                **run.uses,
                **({"init": init} if init else {}),
            },
            inputs=inputs,
            outputs=[
                run.folder / "config.yaml",
                run.folder / (options.decoding.inference_st_model if last else HANDED_ON),
            ],
            facts=plugins,
            stamp=run.folder / ".stages" / "11.json",
            skip=skip,
        )


def corruption_stage(data: DataOptions, translation: str, share: float, *, skip: str) -> Stage:
    """Training links of which a share is wrong, for an experiment."""
    train_set = data.raw / data.train_set
    return Stage(
        number=11,
        name="corrupt links",
        run=partial(spoil_links, train_set, translation),
        uses={"share": share},
        inputs=[train_set / "alignment", train_set / translation],
        outputs=[links_file(train_set, share)],
        stamp=train_set / ".stages" / f"corrupt{share:g}.json",
        skip=skip,
    )


def spoil_links(folder: Path, translation: str, *, share: float) -> str:
    """Write spoilt training links: the same ones move, whatever the seed of the training is."""
    links = read_pharaoh(folder / "alignment")
    words = {key: len(split_units(text)) for key, text in kaldi.read_table(folder / translation).items()}
    wrong = corrupt_links(links, words, share)
    write_pharaoh(links_file(folder, share), wrong)
    return f"{sum(len(wrong[key] - links[key]) for key in links)} of {sum(map(len, links.values()))}"


def train(
    files: TrainingFiles,
    run: TrainingRun,
    inputs: Sequence[Path],
    stats: Sequence[Path],
    *,
    fs: int,
    machines: RunOptions,
    flags: str,
    seed: int,
    normalize: str,
    minutes: float,
    model: str,
    values: Mapping[str, Any],
    init: Sequence[str],
) -> str:
    """Train one run. One that was stopped goes on from its last checkpoint if only its length changed since it began.

    Otherwise it begins again, and the model before is kept beside it; `--force` begins again in any case.

    Args:
        stats: statistics for the normalization, one file or none.
        fs: sampling rate of the audio in Hz.
        machines: GPUs and machines; whether to begin again.
        minutes: budget, for a run that has none of its own; 0 for none.
        model: to train further, empty for a new one.
    """
    nodes, extra = start_on_nodes(machines), shlex.split(flags)
    config = run.written(run.folder)
    if model:
        config = training_config(model, read_yaml(config), run.folder, fs=fs)
        init = [model_files(model)["st_model_file"]]
    command = [*train_command(files, config), "--output_dir", str(run.folder), "--ngpu", str(machines.ngpu)]
    command += ["--init_param", *init] if init else []
    command += ["--seed", str(seed), *files.shape_flags]
    # A copy: statistics of another frontend of this recipe take the place of these.
    copies = {file: run.folder / file.name for file in stats}
    for file in copies.values():
        command += ["--normalize", normalize, "--normalize_conf", f"stats_file={file.as_posix()}"]
    if minutes > 0 and "max_train_minutes" not in values:
        command += ["--max_train_minutes", f"{minutes:g}"]
    begun = beginning([*command[command.index("--config") :], *extra], config, inputs)
    resume, note = open_experiment(run.folder, begun, force=machines.force)
    if note:
        print(note, flush=True)
    if not model:
        keep_pretrained(read_yaml(config), flags, run.folder)
    for file, copy in copies.items():
        shutil.copyfile(file, copy)
    with workers() as pool:
        pool.close()  # a training may take days: no worker waits for its end
    command += [*distributed_flags(machines, run.folder), "--resume", "true" if resume else "false"]
    command = [*nodes, *command, *extra]  # what the user gives goes last
    note_training(run.folder, command)
    run_logged(command, run.folder / "train.log", show=True, append=True)
    return f"model in {run.folder}"


def start_on_nodes(machines: RunOptions) -> list[str]:
    """The command that starts the training once on each of several machines.

    Raises:
        ConfigError: several machines without Slurm.
    """
    if machines.num_nodes <= 1:
        return []
    if shutil.which("srun") is None:
        by_hand = "--st_args '--dist_world_size N --dist_rank R --dist_master_addr HOST --dist_master_port PORT'"
        raise ConfigError(
            f"--num_nodes {machines.num_nodes} needs Slurm's srun, which is not here; without it start stage 11 on "
            f"each machine with {by_hand} (docs/cluster.md)"
        )
    nodes = str(machines.num_nodes)
    return ["srun", "--nodes", nodes, "--ntasks", nodes, "--ntasks-per-node", "1", "--export", "ALL"]


def distributed_flags(machines: RunOptions, folder: Path) -> list[str]:
    """ESPnet's flags for a process on every GPU of every machine."""
    flags = ["--multiprocessing_distributed", "true"] if max(machines.ngpu, machines.num_nodes) > 1 else []
    if machines.num_nodes > 1:
        # A file of its own for every start: the processes of an earlier one must not be met there.
        meeting = folder.resolve() / f".dist_init_{uuid4().hex}"
        flags += ["--dist_launcher", "slurm", "--dist_init_method", f"file://{meeting}"]
        if machines.ngpu == 0:
            flags += ["--dist_backend", "gloo"]
    return flags
