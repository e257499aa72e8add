"""Stages 10-11: statistics and training, by `jst_train` with ESPnet's options."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from espnet_jst.config import config_files, json_text, read_yaml
from espnet_jst.data import kaldi
from espnet_jst.errors import ConfigError
from espnet_jst.hub.made import note_training
from espnet_jst.recipe.command import Job, python, run_jobs, run_logged
from espnet_jst.recipe.finetune import model_files, training_config
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.pool import split_evenly
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.workers import workers
from espnet_jst.text.align import corrupt_links, read_pharaoh, write_pharaoh
from espnet_jst.text.units import split_units

SHARD = 2000  # statistics of fewer utterances are not worth the start of a further process


def training_stages(options: RecipeOptions) -> Iterator[Stage]:
    """Statistics (where normalization needs them) and training."""
    skip = "--skip_train" if options.skip_train else ""
    plain = replace(options, corrupt_links=0.0)  # statistics do not look at the links
    stats_file = options.stats_dir / "train" / "feats_stats.npz"
    unused = "--feats_normalize none" if options.feats_normalize == "none" else ""
    if options.finetune:
        unused = "--finetune keeps the model's own"
    yield Stage(
        number=10,
        name="collect statistics",
        run=lambda: collect_stats(plain),
        inputs=_inputs(plain),
        outputs=[stats_file],
        options={"st_args": options.st_args, "utterances": options.stats_utterances},
        stamp=options.stats_dir / ".stages" / "10.json",
        skip=skip or unused,
    )
    if options.corrupt_links > 0:
        train_set = options.raw / options.train_set
        yield Stage(
            number=11,
            name="corrupt links",
            run=lambda: spoil_links(options),
            inputs=[train_set / "alignment", train_set / options.tgt_text],
            outputs=[links_file(options, options.train_set)],
            stamp=train_set / ".stages" / f"corrupt{options.corrupt_links:g}.json",
        )
    yield Stage(
        number=11,
        name="train",
        run=lambda: train(options),
        inputs=_inputs(options) if unused else [*_inputs(options), stats_file],
        outputs=[options.exp / "config.yaml", options.exp / options.inference_st_model],
        options=_training_options(options),
        stamp=options.exp / ".stages" / "11.json",
        skip=skip,
    )


def _inputs(options: RecipeOptions) -> list[Path]:
    data = [path for name in options.training_sets for path, _, _ in data_files(options, name)]
    tokens = [directory / "tokens.txt" for directory in options.token_dirs.values()]
    config = Path(options.st_config)
    return [*(config_files(config) if config.is_file() else [config]), *data, *tokens]


def _training_options(options: RecipeOptions) -> dict[str, object]:
    """What a training is made by, beside its files."""
    return {name: getattr(options, name) for name in ("st_args", "minutes", "seed", "finetune")}


def data_files(options: RecipeOptions, name: str) -> list[tuple[Path, str, str]]:
    """(file, name in the batch, ESPnet's type) of everything that training reads of a set."""
    base = options.raw / name
    files = [
        (base / "wav.scp", "speech", "sound"),
        (base / options.tgt_text, "text", "text"),
        (base / options.src_text, "src_text", "text"),
        (links_file(options, name), "alignment", "text"),
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


def train_command(options: RecipeOptions, config: str = "") -> list[str]:
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
        for path, key, kind in data_files(options, name):
            arguments += [f"--{side}_data_path_and_name_and_type", f"{path.as_posix()},{key},{kind}"]
    return [*python("-m", "espnet_jst.bin.jst_train", *arguments)]


def collect_stats(options: RecipeOptions) -> str:
    """Stage 10: feature statistics, in shards that are joined afterwards."""
    logdir = options.stats_dir / "logdir"
    shutil.rmtree(logdir, ignore_errors=True)
    keys = spaced(list(kaldi.read_table(options.raw / options.train_set / "wav.scp")), options.stats_utterances)
    # Validation only has to be there; training takes its statistics from the training set.
    others = spaced(list(kaldi.read_table(options.raw / options.valid_set / "wav.scp")), options.nj)
    count = max(1, min(options.nj, len(keys) // SHARD, len(others)))
    jobs = []
    for number, shards in enumerate(zip(split_evenly(keys, count), split_evenly(others, count)), start=1):
        command = [*train_command(options), "--collect_stats", "true", "--ngpu", "0", "--normalize", "none"]
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
    """Stage 11. A run that was stopped goes on from its last checkpoint, unless `--force` asks for a new one."""
    command = [*start_on_nodes(options), *experiment_command(options, options.exp), *distributed_flags(options)]
    if change := _note_start(options):
        print(change, flush=True)
    with workers() as pool:
        pool.close()  # a training may take days: no worker waits for its end
    command += shlex.split(options.st_args)
    note_training(options.exp, command)
    run_logged(command, options.exp / "train.log", show=True, append=True)
    return f"model in {options.exp}"


def _note_start(options: RecipeOptions) -> str:
    """Write down what the training of an experiment begins with; a warning where an unfinished one began otherwise.

    Files that changed and options that differ do not start it afresh: a larger `--minutes` may well be meant to go on.
    """
    file = options.exp / ".stages" / "11-start.json"
    now = _training_options(options) | {"st_config": _settings(options)}
    warning = ""
    if file.is_file() and (options.exp / "checkpoint.pth").is_file() and not options.force:
        before = json.loads(file.read_text(encoding="utf-8"))
        if changed := [name for name, value in now.items() if before.get(name) != value]:
            warning = (
                f"Warning: goes on with the training in {options.exp}, which began with other values of "
                f"{', '.join(f'--{name}' for name in changed)}. For a new one use another --st_tag, or --force to "
                "begin this one again"
            )
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_name(f"{file.name}.new")  # a kill leaves the old file or the new one
    whole.write_text(json_text(now, indent=1), encoding="utf-8")
    whole.replace(file)
    return warning


def _settings(options: RecipeOptions) -> object:
    """The training configuration as JSON keeps it, so that it equals what was read back."""
    return json.loads(json_text(read_yaml(options.st_config), default=str))


def try_out(options: RecipeOptions, folder: Path) -> None:
    """Let `jst_train` read its configuration and build the model and the optimizer in `folder`, and end there.

    Raises:
        JSTError: what it refuses.
    """
    command = [*experiment_command(options, folder), *shlex.split(options.st_args), "--dry_run", "true"]
    # One process and no GPU: what is tried is the configuration.
    run_logged([*command, "--ngpu", "0", "--resume", "false"], folder / "train.log")


def experiment_command(options: RecipeOptions, folder: Path) -> list[str]:
    """`jst_train` for one experiment on one machine, writing into `folder`."""
    files = model_files(options) if options.finetune else {}
    config = str(training_config(options, files["st_train_config"])) if files else ""
    command = [*train_command(options, config), "--output_dir", str(folder), "--ngpu", str(options.ngpu)]
    if files:
        command += ["--init_param", files["st_model_file"]]
    command += ["--resume", "false" if options.force else "true", "--seed", str(options.seed)]
    for side, name in zip(("train", "valid"), options.training_sets):
        # The lengths are known since stage 3: batches need no pass over the audio.
        command += [f"--{side}_shape_file", str(options.raw / name / "utt2num_samples")]
    if options.feats_normalize != "none" and not options.finetune:
        stats = options.stats_dir / "train" / "feats_stats.npz"
        command += ["--normalize", options.feats_normalize, "--normalize_conf", f"stats_file={stats.as_posix()}"]
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
