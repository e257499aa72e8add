"""The table of a comparison: every score of its runs, with intervals and tests, as a page and as pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from espnet_jst.errors import DataError
from espnet_jst.recipe.comparison import Comparison
from espnet_jst.recipe.options import Options, parse_options
from espnet_jst.recipe.stages.scoring import reference_names

if TYPE_CHECKING:
    from espnet_jst.evaluation.significance import SystemScore
    from espnet_jst.evaluation.statistics import Statistics

SIGNIFICANT = 0.05
MARK = "*"
METRICS = ("WER", "CER", "LAAL transcript, ms", "BLEU", "chrF++", "TER", "LAAL translation, ms")


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
    tests = [(mode, name) for mode in first.decoding.modes for name in first.data.tests]
    scores = {f"{name}, {mode}": _test_scores(comparison, parsed, mode, name, n_bootstrap) for mode, name in tests}
    return {"scores": scores, "cpu_s": _costs(comparison, parsed)}


def _test_scores(
    comparison: Comparison,
    parsed: Mapping[tuple[str, int], Options],
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


def _statistics(options: Options, mode: str, name: str) -> dict[str, Statistics]:
    """Statistics of every metric of a run; latency only where the run was decoded chunk by chunk."""
    from espnet_jst.evaluation.balance import laal_name
    from espnet_jst.evaluation.files import read_words
    from espnet_jst.evaluation.lanes import load_lanes
    from espnet_jst.evaluation.statistics import lane_statistics

    out, reference = options.decoding.folder(options.exp, mode, name), options.data.raw / name
    if not (out / "words.jsonl").exists():
        raise DataError(f"{out} has no words.jsonl: decode it first (stage 12)")
    decoded = read_words(out / "words.jsonl") if mode == "streaming" else None
    found: dict[str, Statistics] = {}
    for texts in load_lanes(out, reference, **reference_names(options.text)):
        lowercase = options.text.tgt_case.startswith("lc")
        for metric, statistics in lane_statistics(texts, decoded, lowercase=lowercase).items():
            found[laal_name(texts.lane) if metric == "LAAL" else metric] = statistics
    return found


def _costs(comparison: Comparison, parsed: Mapping[tuple[str, int], Options]) -> dict[str, list[float]]:
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
