"""Several systems, several seeds: the same recipe run for each (`run.sh --compare FILE`)."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from espnet_jst.config import shown
from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.jobs.command import python, run_logged, thread_limits
from espnet_jst.jobs.shards import run_each
from espnet_jst.keys import Conf, key, read, required
from espnet_jst.recipe.options import Options, parse_options
from espnet_jst.recipe.preview import check_training
from espnet_jst.recipe.recipe import data_stages
from espnet_jst.recipe.runs import training_runs
from espnet_jst.recipe.stage import Stage, duration
from espnet_jst.recipe.stages.alignment import DIAGNOSIS
from espnet_jst.recipe.stages.training import training_stages
from espnet_jst.untrusted.config_file import read_yaml


@dataclass(frozen=True, kw_only=True)
class ComparisonConf(Conf):
    """Keys of the file."""

    title: str | None = key(None, "one line for the table; by default the name of the file")
    flags: str | None = key(None, "of run.sh, for every system")
    seeds: Sequence[int] = required("of training", low=0)
    baseline: str | None = key(None, "the system that the others are tested against; by default the first")
    systems: Mapping[str, str | None] = required("name: further flags")
    prepare: str = key(
        "once",
        "the data: once, with the flags of the baseline; or each, with those of every system, where these train on "
        "different data",
        choices=("once", "each"),
    )
    trainings: str | None = key(
        None,
        "name of another file whose trainings are these, to decode them in another way (give an --inference_tag); by "
        "default that of the file",
    )


@dataclass(frozen=True)
class Comparison:
    """What a file asks for, nothing left open; experiments are called `<trainings>_<system>_<seed>`."""

    name: str
    title: str
    flags: str
    seeds: tuple[int, ...]
    baseline: str
    systems: Mapping[str, str]
    trainings: str
    prepare: str = "once"

    @classmethod
    def read(cls, path: Path) -> Comparison:
        """Read the file.

        Raises:
            ConfigError: a key is unknown or missing, or a value cannot be used.
        """
        values = read(ComparisonConf, read_yaml(path), str(path))
        if not values.seeds or not values.systems:
            raise ConfigError(f"{path}: seeds and systems must be given")
        for flags in (values.flags, *values.systems.values()):
            try:
                shlex.split(flags or "")
            except ValueError as error:  # a quote that is not closed
                raise ConfigError(f"{path}: the flags {shown(flags)}: {error}") from error
        systems = {name: flags or "" for name, flags in values.systems.items()}
        baseline = values.baseline or next(iter(systems))
        if baseline not in systems:
            raise ConfigError(f"{path}: baseline {baseline!r} is not one of {', '.join(systems)}")
        title, flags = values.title or path.stem, values.flags or ""
        seeds, trainings = tuple(values.seeds), values.trainings or path.stem
        return cls(path.stem, title, flags, seeds, baseline, systems, trainings, values.prepare)

    @property
    def preparations(self) -> list[list[str]]:
        """Flags of run.sh that make what runs read: data, tokens, links and statistics.

        What all share is made with those of the baseline, whose training configuration says which features there are
        statistics of.
        """
        systems = [self.baseline] if self.prepare == "once" else [*self.systems]
        return [
            [*shlex.split(self.flags), *shlex.split(self.systems[system]), "--stop_stage", "10"] for system in systems
        ]

    def arguments(self, system: str, seed: int) -> list[str]:
        """Flags of run.sh for one run."""
        own = ["--st_tag", f"{self.trainings}_{system}_{seed}", "--seed", str(seed)]
        return [*shlex.split(self.flags), *shlex.split(self.systems[system]), *own]


def try_systems(comparison: Comparison, flags: Sequence[str], *, jobs: int) -> None:
    """Build the model of every system once, so that a wrong key in the last one is not found after hours.

    Raises:
        ConfigError: a system is decoded in other ways, or on other sets, than the first one: there would be no table;
            or its features are others and their statistics would lie in the same folder.
        JSTError: a training configuration cannot be used; the message names the system.
    """
    seed = comparison.seeds[0]
    systems = [(system, parse_options([*flags, *comparison.arguments(system, seed)])) for system in comparison.systems]
    _check_decoding(comparison, dict(systems))
    check_statistics(dict(systems))
    run_each(_try_system, systems, nj=jobs, title="configurations")


def _check_decoding(comparison: Comparison, systems: Mapping[str, Options]) -> None:
    [(first_name, first), *others] = systems.items()
    for name, options in others:
        for flag, own, wanted in (
            ("--use_streaming", options.decoding.use_streaming, first.decoding.use_streaming),
            ("--test_sets", options.data.test_sets, first.data.test_sets),
        ):
            if own != wanted:
                raise ConfigError(
                    f"{name}: {flag} {own}, and {first_name} has {wanted}: a table compares what is decoded "
                    f"alike: give it under flags, or make another file with trainings: {comparison.trainings}"
                )


def check_statistics(systems: Mapping[str, Options]) -> None:
    """Refuse systems that would train on the statistics of others' features.

    Raises:
        ConfigError: names two of them and the folder.
    """
    made: dict[Path, tuple[str, object]] = {}
    for name, options in systems.items():
        training = options.training
        if not training.uses_stats or options.text.has_units:
            continue
        last = training_runs(Path(training.st_config), options.exp)[-1]
        features = {**last.features, "dumpdir": options.data.raw}
        first, others = made.setdefault(options.stats_dir, (name, features))
        if features != others:
            raise ConfigError(
                f"{name}: its features are others than those of {first}, and the statistics of both would lie in "
                f"{options.stats_dir}: give it a --st_stats_dir of its own, and the file prepare: each"
            )


def _try_system(system: tuple[str, Options]) -> None:
    name, options = system
    try:
        check_training(options)
    except JSTError as error:
        raise ConfigError(f"{name}: {error}") from error


def check_shared(comparison: Comparison, flags: Sequence[str]) -> None:
    """Refuse a system that would need other data, token lists or links than those that are prepared for all.

    Raises:
        ConfigError: names the system and the stage that it would have to run again; or that another has run again.
    """
    shared = _shared_stages(comparison, flags, comparison.baseline)
    for system in comparison.systems:
        if comparison.prepare == "each":
            if undone := [stage for stage in _shared_stages(comparison, flags, system) if not stage.is_done()]:
                raise ConfigError(
                    f"{system}: its results of stage {undone[0].number} ({undone[0].name}) were written over by those "
                    "of another system: give each a --dumpdir and --datadir of its own"
                )
            continue
        for stage, prepared in zip(_shared_stages(comparison, flags, system), shared):
            if prepared.is_done() and not stage.is_done():
                raise ConfigError(
                    f"{system}: its flags ask for other results of stage {stage.number} ({stage.name}) than those of "
                    f"{comparison.baseline}, which are prepared for all: give what stages 1 to 9 use under flags"
                )


def _shared_stages(comparison: Comparison, flags: Sequence[str], system: str) -> list[Stage]:
    """The stages whose results every run reads; what policies would cost is for people to read."""
    options = parse_options([*flags, *comparison.arguments(system, comparison.seeds[0])])
    return [stage for stage in data_stages(options) if stage.stamp is not None and stage.name != DIAGNOSIS]


def run_comparison(comparison: Comparison, flags: Sequence[str], *, jobs: int, logs: Path) -> None:
    """Train, decode and score every system and seed, `jobs` at a time; what is up to date is not run again.

    Says how many runs there are, and how long they will take as soon as that is known: what is trained goes first.

    Args:
        flags: of run.sh, for every system, before those of the comparison.
    """
    runs = [(system, seed) for seed in comparison.seeds for system in comparison.systems]
    recipe = ("-m", "espnet_jst.bin.jst_recipe", *flags)
    options = {each: parse_options([*flags, *comparison.arguments(*each)]) for each in runs}
    trained = [each for each in runs if _is_trained(options[each])]
    rest = [each for each in runs if each not in trained]

    def run_all(title: str, some: Sequence[tuple[str, int]]) -> None:
        commands = [
            (
                python(*recipe, *comparison.arguments(system, seed), "--stage", 11, "--stop_stage", 13),
                logs / f"{comparison.name}_{system}_{seed}.log",
            )
            for system, seed in some
        ]
        run_each(partial(_run, environment=thread_limits(jobs)), commands, nj=jobs, title=title)

    print(plan(comparison, jobs, [options[each].training.minutes for each in rest], len(trained)), flush=True)
    run_all(f"{comparison.title}, trained", trained)
    started = time.monotonic()
    run_all(comparison.title, rest[:jobs])  # say what the others will take
    if rounds := math.ceil(len(rest[jobs:]) / jobs):
        first = time.monotonic() - started
        print(f"{len(rest[:jobs])} of {len(rest)} runs took {duration(first)}: about {duration(rounds * first)} to go")
        run_all(comparison.title, rest[jobs:])


def _is_trained(options: Options) -> bool:
    return all(stage.is_done() for stage in training_stages(options, skip=""))


def plan(comparison: Comparison, jobs: int, minutes: Sequence[float], trained: int = 0) -> str:
    """How many runs there are, and how long their training takes where each has a budget.

    Args:
        minutes: budget of each run that is to be trained, 0 where it has none.
        trained: how many runs only have to be decoded, if at all.
    """
    systems, seeds = len(comparison.systems), len(comparison.seeds)
    line = f"{comparison.title}: {systems * seeds} runs ({systems} systems, {seeds} seeds), {jobs} at a time"
    if trained:
        line += f", {trained} of them trained"
    if not minutes:
        return line
    if all(minutes):
        return f"{line}; about {duration(60 * sum(minutes) / min(jobs, len(minutes)))} of training, and decoding"
    return f"{line}; how long they take is said after the first"


def _run(command: tuple[Sequence[str], Path], *, environment: Mapping[str, str]) -> None:
    run_logged(command[0], command[1], environment=environment)
