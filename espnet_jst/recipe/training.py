"""Stages 10-11: statistics and training, by `jst_train` with ESPnet's options."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import uuid4

from espnet_jst.config import config_files
from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.hub.made import note_training
from espnet_jst.recipe.command import Job, python, run_jobs, run_logged
from espnet_jst.recipe.experiment import beginning, open_experiment
from espnet_jst.recipe.finetune import model_files, model_inputs, training_config
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.pool import split_evenly
from espnet_jst.recipe.prepare import UTT2AUDIO
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import named_files, present
from espnet_jst.recipe.text import shape_file, token_files
from espnet_jst.recipe.workers import workers
from espnet_jst.registry import PLUGINS_VARIABLE
from espnet_jst.text.align.corrupt import corrupt_links
from espnet_jst.text.align.pharaoh import read_pharaoh, write_pharaoh
from espnet_jst.text.units import split_units

SHARD = 2000  # statistics of fewer utterances are not worth the start of a further process


def training_stages(options: RecipeOptions) -> Iterator[Stage]:
    """Statistics (where normalization needs them) and training."""
    skip = "--skip_train" if options.skip_train else ""
    unused = "--feats_normalize none" if options.feats_normalize == "none" else ""
    if options.finetune:
        unused = "--finetune keeps the model's own"
    yield Stage(
        number=10,
        name="collect statistics",
        run=collect_stats,
        options=options,
        inputs=shared_inputs(options),
        outputs=[stats_file(options)],
        facts=plugins,
        stamp=options.stats_dir / ".stages" / "10.json",
        skip=skip or unused,
    )
    if options.corrupt_links > 0:
        train_set = options.raw / options.train_set
        yield Stage(
            number=11,
            name="corrupt links",
            run=spoil_links,
            options=options,
            inputs=[train_set / "alignment", train_set / options.tgt_text],
            outputs=[links_file(options, options.train_set)],
            stamp=train_set / ".stages" / f"corrupt{options.corrupt_links:g}.json",
            skip=skip,
        )
    yield Stage(
        number=11,
        name="train",
        run=train,
        options=options,
        inputs=training_inputs(options),
        outputs=[options.exp / "config.yaml", options.exp / options.inference_st_model],
        facts=plugins,
        stamp=options.exp / ".stages" / "11.json",
        skip=skip,
    )


def shared_inputs(options: RecipeOptions, *, spoilt: bool = False) -> list[Path]:
    """What statistics and training read: configuration, tables, token lists, and the files that these name."""
    data = [path for name in options.training_sets for path, _, _ in data_files(options, name, spoilt=spoilt)]
    audio = present(*(options.raw / name / UTT2AUDIO for name in options.training_sets))
    shapes = [shape_file(options, name) for name in options.training_sets]
    config = Path(options.st_config)
    files = config_files(config) if config.is_file() else [config]
    named = named_files(options.st_args, config)
    found = [*files, *data, *audio, *shapes, *token_files(options), *named]
    return list(dict.fromkeys(found))


def training_inputs(options: RecipeOptions) -> list[Path]:
    """What the training reads."""
    inputs = [*shared_inputs(options, spoilt=True), *model_inputs(options)]
    return [*inputs, stats_file(options)] if uses_stats(options) else inputs


def uses_stats(options: RecipeOptions) -> bool:
    """Whether normalization is given the statistics of stage 10."""
    return options.feats_normalize != "none" and not options.finetune


def stats_file(options: RecipeOptions) -> Path:
    """Feature statistics of the training set."""
    return options.stats_dir / "train" / "feats_stats.npz"


def plugins() -> dict[str, str]:
    """The packages whose encoders and frontends a configuration may name."""
    return {PLUGINS_VARIABLE: os.environ.get(PLUGINS_VARIABLE, "")}


def data_files(options: RecipeOptions, name: str, *, spoilt: bool = True) -> list[tuple[Path, str, str]]:
    """(file, name in the batch, ESPnet's type) of everything that training reads of a set; without `spoilt`, links as
    they were before `--corrupt_links`."""
    base = options.raw / name
    files = [
        (base / "wav.scp", "speech", "sound"),
        (base / options.tgt_text, "text", "text"),
        (base / options.src_text, "src_text", "text"),
        (links_file(options, name) if spoilt else base / "alignment", "alignment", "text"),
    ]
    # Both sets or none: ESPnet wants the same names in training and validation.
    if all((options.raw / other / "word_times").exists() for other in options.training_sets):
        files.append((base / "word_times", "word_times", "text"))
    return files


def links_file(options: RecipeOptions, name: str) -> Path:
    """The word links of a set; those of the training set with `--corrupt_links` are spoilt."""
    spoilt = options.corrupt_links > 0 and name == options.train_set
    return options.raw / name / (f"alignment.corrupt{options.corrupt_links:g}" if spoilt else "alignment")


def spoil_links(options: RecipeOptions) -> str:
    """Write the training links of `--corrupt_links`: the same ones move, whatever the seed of the training is."""
    base = options.raw / options.train_set
    links = read_pharaoh(base / "alignment")
    words = {key: len(split_units(text)) for key, text in kaldi.read_table(base / options.tgt_text).items()}
    wrong = corrupt_links(links, words, options.corrupt_links)
    write_pharaoh(links_file(options, options.train_set), wrong)
    return f"{sum(len(wrong[key] - links[key]) for key in links)} of {sum(map(len, links.values()))}"


def train_command(options: RecipeOptions, config: str = "", *, spoilt: bool = True) -> list[str]:
    """`jst_train` with everything that statistics and training share."""
    tgt = options.token_dirs["tgt"]
    # Whatever the kind of pieces, a SentencePiece model splits the words, which ESPnet's token_type calls "bpe".
    arguments: list[object] = ["--config", config or options.st_config, "--use_preprocessor", "true"]
    arguments += ["--token_type", "bpe", "--token_list", tgt / "tokens.txt", "--bpemodel", tgt / "bpe.model"]
    if "src" in options.token_dirs:
        src = options.token_dirs["src"]
        arguments += ["--src_token_type", "bpe", "--src_token_list", src / "tokens.txt"]
        arguments += ["--src_bpemodel", src / "bpe.model"]
    for side, name in zip(("train", "valid"), options.training_sets):
        for path, key, kind in data_files(options, name, spoilt=spoilt):
            arguments += [f"--{side}_data_path_and_name_and_type", f"{path.as_posix()},{key},{kind}"]
    return [*python("-m", "espnet_jst.bin.jst_train", *arguments)]


def collect_stats(options: RecipeOptions) -> str:
    """Stage 10: feature statistics, in shards that are joined afterwards."""
    logdir = options.stats_dir / "logdir"
    shutil.rmtree(logdir, ignore_errors=True)
    keys, others = (list(kaldi.read_table(shape_file(options, name))) for name in options.training_sets)
    keys = spaced(keys, options.stats_utterances)
    # Validation only has to be there; training takes its statistics from the training set.
    others = spaced(others, options.nj)
    count = max(1, min(options.nj, len(keys) // SHARD, len(others)))
    jobs = []
    for number, shards in enumerate(zip(split_evenly(keys, count), split_evenly(others, count)), start=1):
        command = [
            *train_command(options, spoilt=False),
            "--collect_stats",
            "true",
            "--ngpu",
            "0",
            "--normalize",
            "none",
        ]
        for side, shard in zip(("train", "valid"), shards):
            key_file = logdir / f"{side}.{number}.scp"
            kaldi.write_table(key_file, {key: key for key in shard})
            command += [f"--{side}_shape_file", str(key_file)]
        command += shlex.split(options.st_args)
        jobs.append(Job(command, logdir / f"stats.{number}", logdir / f"stats.{number}.log"))
    run_jobs(jobs, nj=options.nj, title="statistics")
    joined = [part for job in jobs for part in ("--input_dir", job.output)]
    join = python("-m", "espnet2.bin.aggregate_stats_dirs", *joined, "--output_dir", options.stats_dir)
    run_logged(join, options.stats_dir / "aggregate.log")
    return f"{len(keys)} utterances"


def spaced(keys: list[str], count: int) -> list[str]:
    """`count` keys evenly spaced over all (they are sorted by speaker); all where `count` is 0 or too large."""
    if not 0 < count < len(keys):
        return keys
    return [keys[index * len(keys) // count] for index in range(count)]


def train(options: RecipeOptions) -> str:
    """Stage 11. A run that was stopped goes on from its last checkpoint if only its length changed since it began.

    Otherwise it begins again, and the model before is kept beside it; `--force` begins again in any case.
    """
    nodes, extra = start_on_nodes(options), shlex.split(options.st_args)
    files = model_files(options) if options.finetune else {}
    config = str(training_config(options, files["st_train_config"], options.exp)) if files else options.st_config
    command = [*experiment_command(options, options.exp, config, files), *extra]
    start = beginning(command[command.index("--config") :], config, training_inputs(options))
    resume, note = open_experiment(options.exp, start, force=options.force)
    if note:
        print(note, flush=True)
    with workers() as pool:
        pool.close()  # a training may take days: no worker waits for its end
    flags = [*distributed_flags(options), "--resume", "true" if resume else "false"]
    position = len(command) - len(extra)  # what the user gives goes last
    command = [*nodes, *command[:position], *flags, *extra]
    note_training(options.exp, command)
    run_logged(command, options.exp / "train.log", show=True, append=True)
    return f"model in {options.exp}"


def experiment_command(options: RecipeOptions, folder: Path, config: str, files: Mapping[str, str]) -> list[str]:
    """`jst_train` for one experiment on one machine, writing into `folder`.

    Args:
        config: the training configuration.
        files: the model of `--finetune`, empty where there is none.
    """
    command = [*train_command(options, config), "--output_dir", str(folder), "--ngpu", str(options.ngpu)]
    if files:
        command += ["--init_param", files["st_model_file"]]
    command += ["--seed", str(options.seed)]
    for side, name in zip(("train", "valid"), options.training_sets):
        # The lengths are known since stage 3: batches need no pass over the audio.
        command += [f"--{side}_shape_file", str(shape_file(options, name))]
    if uses_stats(options):
        stats = stats_file(options).as_posix()
        command += ["--normalize", options.feats_normalize, "--normalize_conf", f"stats_file={stats}"]
    if options.minutes > 0:
        command += ["--max_train_minutes", f"{options.minutes:g}"]
    return command


def start_on_nodes(options: RecipeOptions) -> list[str]:
    """The command that starts the training once on each of several machines.

    Raises:
        ConfigError: several machines without Slurm.
    """
    if options.num_nodes <= 1:
        return []
    if shutil.which("srun") is None:
        by_hand = "--st_args '--dist_world_size N --dist_rank R --dist_master_addr HOST --dist_master_port PORT'"
        raise ConfigError(
            f"--num_nodes {options.num_nodes} needs Slurm's srun, which is not here; without it start stage 11 on each "
            f"machine with {by_hand} (docs/cluster.md)"
        )
    nodes = str(options.num_nodes)
    return ["srun", "--nodes", nodes, "--ntasks", nodes, "--ntasks-per-node", "1", "--export", "ALL"]


def distributed_flags(options: RecipeOptions) -> list[str]:
    """ESPnet's flags for a process on every GPU of every machine."""
    flags = ["--multiprocessing_distributed", "true"] if max(options.ngpu, options.num_nodes) > 1 else []
    if options.num_nodes > 1:
        # A file of its own for every start: the processes of an earlier one must not be met there.
        meeting = options.exp.resolve() / f".dist_init_{uuid4().hex}"
        flags += ["--dist_launcher", "slurm", "--dist_init_method", f"file://{meeting}"]
        if options.ngpu == 0:
            flags += ["--dist_backend", "gloo"]
    return flags
