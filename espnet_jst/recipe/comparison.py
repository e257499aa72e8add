"""Several systems, several seeds: the same recipe run for each, and one table (`run.sh --compare FILE`)."""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from espnet_jst.config import check_keys
from espnet_jst.errors import ConfigError, DataError, JSTError
from espnet_jst.recipe.command import python, run_logged, thread_limits
from espnet_jst.recipe.decoding import MODES, decode_dir
from espnet_jst.recipe.options import RecipeOptions, parse_options
from espnet_jst.recipe.pool import run_each
from espnet_jst.recipe.prepare import prepare_stages
from espnet_jst.recipe.preview import check_training
from espnet_jst.recipe.stage import Stage, duration
from espnet_jst.recipe.text import DIAGNOSIS, text_stages

if TYPE_CHECKING:
    from espnet_jst.evaluation.significance import SystemScore
    from espnet_jst.evaluation.statistics import Statistics

KEYS = ("title", "flags", "seeds", "baseline", "systems")
SIGNIFICANT = 0.05
MARK = "*"
METRICS = ("WER", "CER", "LAAL transcript, ms", "BLEU", "chrF++", "TER", "LAAL translation, ms")


@dataclass(frozen=True)
class Comparison:
    """What a file in conf/ asks for.

    Attributes:
        name: of the file; experiments are called `<name>_<system>_<seed>`.
        title: one line for the table.
        flags: of run.sh, for every system.
        seeds: of training.
        baseline: the system that the others are tested against.
        systems: further flags of each system.
    """

    name: str
    title: str
    flags: str
    seeds: tuple[int, ...]
    baseline: str
    systems: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Comparison:
        """Read the file.

        Raises:
            ConfigError: a key is unknown or missing.
        """
        from espnet_jst.hub.config_file import read_yaml

        values = read_yaml(path)
        check_keys(values, KEYS, str(path))
        missing = [key for key in ("seeds", "systems") if not values.get(key)]
        if missing:
            raise ConfigError(f"{path}: {' and '.join(missing)} must be given")
        systems = {str(name): str(flags or "") for name, flags in values["systems"].items()}
        baseline = str(values.get("baseline", next(iter(systems))))
        if baseline not in systems:
            raise ConfigError(f"{path}: baseline {baseline!r} is not one of {', '.join(systems)}")
        title, flags = str(values.get("title", path.stem)), str(values.get("flags", ""))
        return cls(path.stem, title, flags, tuple(int(seed) for seed in values["seeds"]), baseline, systems)

    @property
    def preparation(self) -> list[str]:
        """Flags of run.sh that make what all runs share: data, tokens, links and statistics.

        They are those of the baseline, whose training configuration says which features there are statistics of.
        """
        return [*shlex.split(self.flags), *shlex.split(self.systems[self.baseline]), "--stop_stage", "10"]

    def arguments(self, system: str, seed: int) -> list[str]:
        """Flags of run.sh for one run."""
        own = ["--st_tag", f"{self.name}_{system}_{seed}", "--seed", str(seed)]
        return [*shlex.split(self.flags), *shlex.split(self.systems[system]), *own]


def try_systems(comparison: Comparison, flags: Sequence[str], *, jobs: int) -> None:
    """Build the model of every system once, so that a wrong key in the last one is not found after hours.

    Args:
        flags: of run.sh, for every system, before those of the comparison.

    Raises:
        JSTError: a training configuration cannot be used; the message names the system.
    """
    seed = comparison.seeds[0]
    systems = [(system, parse_options([*flags, *comparison.arguments(system, seed)])) for system in comparison.systems]
    run_each(_try_system, systems, nj=jobs, title="configurations")


def _try_system(system: tuple[str, RecipeOptions]) -> None:
    name, options = system
    try:
        check_training(options)
    except JSTError as error:
        raise ConfigError(f"{name}: {error}") from error


def check_shared(comparison: Comparison, flags: Sequence[str]) -> None:
    """Refuse a system that would need other data, token lists or links than those that are prepared for all.

    Args:
        flags: of run.sh, for every system, before those of the comparison.

    Raises:
        ConfigError: names the system and the stage that it would have to run again.
    """
    shared = _shared_stages(comparison, flags, comparison.baseline)
    for system in comparison.systems:
        for stage, prepared in zip(_shared_stages(comparison, flags, system), shared):
            if prepared.is_done() and not stage.is_done():
                raise ConfigError(
                    f"{system}: its flags ask for other results of stage {stage.number} ({stage.name}) than those of "
                    f"{comparison.baseline}, which are prepared for all: give what stages 1 to 9 use under flags"
                )


def _shared_stages(comparison: Comparison, flags: Sequence[str], system: str) -> list[Stage]:
    """The stages whose results every run reads; what policies would cost is for people to read."""
    options = parse_options([*flags, *comparison.arguments(system, comparison.seeds[0])])
    stages = (*prepare_stages(options), *text_stages(options))
    return [stage for stage in stages if stage.stamp is not None and stage.name != DIAGNOSIS]


def run_comparison(comparison: Comparison, flags: Sequence[str], *, jobs: int, logs: Path) -> None:
    """Train, decode and score every system and seed, `jobs` at a time; what is up to date is not run again.

    Says how many runs there are, and how long they will take as soon as that is known.

    Args:
        flags: of run.sh, for every system, before those of the comparison.
        logs: folder for one log a run.
    """
    runs = [(system, seed) for seed in comparison.seeds for system in comparison.systems]
    recipe = ("-m", "espnet_jst.bin.jst_recipe", *flags)
    commands = [
        (
            python(*recipe, *comparison.arguments(system, seed), "--stage", 11, "--stop_stage", 13),
            logs / f"{comparison.name}_{system}_{seed}.log",
        )
        for system, seed in runs
    ]
    minutes = [parse_options([*flags, *comparison.arguments(*run)]).minutes for run in runs]
    print(plan(comparison, jobs, minutes), flush=True)
    run = partial(_run, environment=thread_limits(jobs))
    started = time.monotonic()
    # The first ones say what the others will take.
    run_each(run, commands[:jobs], nj=jobs, title=comparison.title)
    rounds = math.ceil(len(commands[jobs:]) / jobs)
    if rounds:
        first = time.monotonic() - started
        print(
            f"{len(commands[:jobs])} of {len(runs)} runs took {duration(first)}: about {duration(rounds * first)} to go"
        )
        run_each(run, commands[jobs:], nj=jobs, title=comparison.title)


def plan(comparison: Comparison, jobs: int, minutes: Sequence[float]) -> str:
    """How many runs there are, and how long their training takes where each has a budget.

    Args:
        jobs: runs at a time.
        minutes: budget of each run, 0 where it has none.
    """
    systems, seeds = len(comparison.systems), len(comparison.seeds)
    line = f"{comparison.title}: {systems * seeds} runs ({systems} systems, {seeds} seeds), {jobs} at a time"
    if all(minutes):
        return f"{line}; about {duration(60 * sum(minutes) / min(jobs, len(minutes)))} of training, and decoding"
    return f"{line}; how long they take is said after the first"


def _run(command: tuple[Sequence[str], Path], *, environment: Mapping[str, str]) -> None:
    run_logged(command[0], command[1], environment=environment)


def comparison_table(comparison: Comparison, flags: Sequence[str], *, n_bootstrap: int = 1000) -> dict[str, Any]:
    """All scores: mode and set -> metric -> system -> SystemScore; and what each training cost.

    Args:
        flags: as `run_comparison`.

    Raises:
        DataError: a run has not been decoded.
    """
    parsed = {
        (system, seed): parse_options([*flags, *comparison.arguments(system, seed)])
        for system in comparison.systems
        for seed in comparison.seeds
    }
    first = next(iter(parsed.values()))
    tests = [(mode, name) for mode in MODES[first.use_streaming] for name in first.test_sets.split()]
    scores = {f"{name}, {mode}": _test_scores(comparison, parsed, mode, name, n_bootstrap) for mode, name in tests}
    return {"scores": scores, "cpu_s": _costs(comparison, parsed)}


def _test_scores(
    comparison: Comparison,
    parsed: Mapping[tuple[str, int], RecipeOptions],
    mode: str,
    name: str,
    n_bootstrap: int,
) -> dict[str, dict[str, Any]]:
    """Metric -> system -> SystemScore on one test set."""
    from espnet_jst.evaluation.quality import score_limits
    from espnet_jst.evaluation.significance import compare_systems

    found: dict[str, dict[str, list[np.ndarray]]] = {}
    scorers: dict[str, Any] = {}
    for (system, _), options in parsed.items():
        for metric, (rows, score) in _statistics(options, mode, name).items():
            found.setdefault(metric, {}).setdefault(system, []).append(rows)
            scorers[metric] = {"score": score, "limits": score_limits(metric)}
    table = {}
    for metric in sorted(found, key=METRICS.index):
        systems = found[metric]
        # A single-lane system has the metrics of its lane only; the baseline may lack one that others have.
        against = comparison.baseline if comparison.baseline in systems else next(iter(systems))
        table[metric] = compare_systems(systems, **scorers[metric], baseline=against, n_bootstrap=n_bootstrap)
    return table


def _statistics(options: RecipeOptions, mode: str, name: str) -> dict[str, Statistics]:
    """Statistics of every metric of a run; latency only where the run was decoded chunk by chunk."""
    from espnet_jst.evaluation.balance import laal_name
    from espnet_jst.evaluation.files import read_words
    from espnet_jst.evaluation.lanes import load_lanes
    from espnet_jst.evaluation.statistics import lane_statistics

    out, reference = decode_dir(options, mode, name), options.raw / name
    if not (out / "words.jsonl").exists():
        raise DataError(f"{out} has no words.jsonl: decode it first (stage 12)")
    cases = {"case": options.tgt_case, "src_case": options.src_case}
    decoded = read_words(out / "words.jsonl") if mode == "streaming" else None
    found: dict[str, Statistics] = {}
    for texts in load_lanes(out, reference, src_lang=options.src_lang, tgt_lang=options.tgt_lang, **cases):
        lowercase = options.tgt_case.startswith("lc")
        for metric, statistics in lane_statistics(texts, decoded, lowercase=lowercase).items():
            found[laal_name(texts.lane) if metric == "LAAL" else metric] = statistics
    return found


def _costs(comparison: Comparison, parsed: Mapping[tuple[str, int], RecipeOptions]) -> dict[str, list[float]]:
    costs: dict[str, list[float]] = {system: [] for system in comparison.systems}
    for (system, _), options in parsed.items():
        path = options.exp / "training_time.json"
        if path.is_file():
            costs[system].append(float(json.loads(path.read_text(encoding="utf-8"))["cpu_s"]))
    return costs


def as_markdown(comparison: Comparison, table: Mapping[str, Any]) -> str:
    """The tables as a page: means of every test set, then each metric with seeds, intervals and tests."""
    seeds = ", ".join(map(str, comparison.seeds))
    lines = [
        f"# {comparison.title}",
        "",
        f"Mean over the seeds {seeds} (each seed), 95 % interval over utterances; difference from the first system",
        f"with its interval and the p-value of a paired test; {MARK} where p < {SIGNIFICANT:g}; - is not defined.",
    ]
    for test, metrics in table["scores"].items():
        lines += ["", f"## {test}", "", *_head("system", *metrics)]
        for system in comparison.systems:
            scores = [(row.get(system), metric) for metric, row in metrics.items()]
            lines.append(_row(system, *("-" if score is None else _mean(score, m) for score, m in scores)))
        for metric, row in metrics.items():
            lines += ["", *_head(metric, "mean", "interval", "difference", "p")]
            # The baseline first: the others are tested against it.
            for system in sorted(row, key=lambda system: not row[system].baseline):
                lines.append(_row(system, *_cells(row[system], row, metric)))
    costs = [
        f"{system} {np.mean(seconds):.0f} ({'/'.join(f'{s:.0f}' for s in seconds)})"
        for system, seconds in table["cpu_s"].items()
        if seconds
    ]
    if costs:
        lines += ["", "Process CPU seconds of training: " + "; ".join(costs) + "."]
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _head(*cells: str) -> list[str]:
    return [_row(*cells), "|---" * len(cells) + "|"]


def _cells(score: SystemScore, scores: Mapping[str, SystemScore], metric: str) -> list[str]:
    """Mean and seeds, interval, difference from the baseline, p."""
    number = partial(_number, metric=metric)
    mean = f"{number(score.mean)} ({'/'.join(map(number, score.seeds))})"
    cells = [mean, _bounds(number(score.low), number(score.high))]
    if score.baseline:
        return [*cells, "", ""]
    baseline = next(other for other in scores.values() if other.baseline)
    difference = number(score.mean - baseline.mean, sign="+")
    bounds = _bounds(number(score.difference_low, sign="+"), number(score.difference_high, sign="+"))
    p_value = "-" if math.isnan(score.p_value) else f"{score.p_value:.3f}"
    return [*cells, difference if bounds == "-" else f"{difference} ({bounds})", f"{p_value}{_mark(score)}"]


def _bounds(low: str, high: str) -> str:
    return "-" if "-" in (low, high) else f"{low} to {high}"


def _mean(score: SystemScore, metric: str) -> str:
    return _number(score.mean, metric) + _mark(score)


def _mark(score: SystemScore) -> str:
    """The mark of a difference from the baseline that is more than chance; none where that is not defined."""
    return f" {MARK}" if score.p_value < SIGNIFICANT else ""


def _number(value: float, metric: str, sign: str = "") -> str:
    """A score as text, "-" where it is not defined."""
    if math.isnan(value):
        return "-"
    return f"{value:{sign}.{0 if metric.endswith('ms') else 2}f}"


def write_table(comparison: Comparison, table: Mapping[str, Any], folder: Path) -> Path:
    """Write `<name>.md`, `<name>.json` and a picture of every test set into a folder; returns the page."""
    from dataclasses import asdict

    from espnet_jst.evaluation.balance import plot_balance
    from espnet_jst.evaluation.files import write_json

    folder.mkdir(parents=True, exist_ok=True)
    scores = {
        test: {metric: {system: asdict(score) for system, score in row.items()} for metric, row in metrics.items()}
        for test, metrics in table["scores"].items()
    }
    page, data = folder / f"{comparison.name}.md", folder / f"{comparison.name}.json"
    page.write_text(as_markdown(comparison, table), encoding="utf-8")
    write_json({"scores": scores, "cpu_s": table["cpu_s"]}, data)
    for test, metrics in table["scores"].items():
        plot_balance(metrics, folder / f"{comparison.name}_{test.replace(', ', '_')}.png", title=comparison.title)
    return page
