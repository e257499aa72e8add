"""The table of a comparison: what its runs decoded and cost, found by their options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from espnet_jst.errors import DataError
from espnet_jst.recipe.comparison import Comparison
from espnet_jst.recipe.options import Options, parse_options
from espnet_jst.recipe.runs import RESERVED
from espnet_jst.recipe.stages.scoring import reading_of

USAGE = "training_time.json"  # as the trainer writes it

if TYPE_CHECKING:
    from espnet_jst.evaluation.compare import Run
    from espnet_jst.evaluation.comparison_table import ComparisonTable


def comparison_table(comparison: Comparison, flags: Sequence[str], *, n_bootstrap: int = 1000) -> ComparisonTable:
    """All scores of a comparison, and what each training cost.

    Raises:
        DataError: a run has not been decoded.
    """
    from espnet_jst.evaluation.compare import compare_runs
    from espnet_jst.evaluation.comparison_table import ComparisonTable

    parsed = {
        system: [parse_options([*flags, *comparison.arguments(system, seed)]) for seed in comparison.seeds]
        for system in comparison.systems
    }
    first = next(iter(parsed.values()))[0]
    scores = {}
    for mode in first.decoding.modes:
        for name in first.data.tests:
            runs = {system: [_run(options, mode, name) for options in seeds] for system, seeds in parsed.items()}
            scores[f"{name}, {mode}"] = compare_runs(runs, baseline=comparison.baseline, n_bootstrap=n_bootstrap)
    costs = _costs(parsed)
    return ComparisonTable(comparison.name, comparison.title, list(parsed), comparison.seeds, scores, costs)


def _run(options: Options, mode: str, name: str) -> Run:
    """Statistics of a run on one set; latency only where it was decoded chunk by chunk."""
    from espnet_jst.evaluation.compare import run_statistics

    out = options.decoding.folder(options.exp, mode, name)
    if not (out / "words.jsonl").exists():
        raise DataError(f"{out} has no words.jsonl: decode it first (stage 12)")
    reading = reading_of(options.text, options.exp / "config.yaml")
    return run_statistics(out, options.data.raw / name, timed=mode == "streaming", **reading)


def _costs(parsed: Mapping[str, Sequence[Options]]) -> dict[str, list[float]]:
    costs: dict[str, list[float]] = {system: [] for system in parsed}
    for system, seeds in parsed.items():
        for options in seeds:
            # Of named runs, each but the last one has a folder of its own; a model before does not count.
            used = [options.exp / USAGE, *options.exp.glob(f"*/{USAGE}")]
            used = [path for path in used if path.parent.name not in RESERVED]
            runs = [json.loads(path.read_text(encoding="utf-8")) for path in used if path.is_file()]
            if runs:
                costs[system].append(sum(float(run["cpu_s"]) for run in runs))
    return costs
