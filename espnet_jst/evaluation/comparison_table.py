"""The table of a comparison: every score of its runs, with intervals and tests, as a page and as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from espnet_jst.evaluation.compare import Scores
from espnet_jst.evaluation.files import write_json, write_text
from espnet_jst.evaluation.pictures.balance import plot_balance
from espnet_jst.evaluation.shown import number
from espnet_jst.evaluation.significance import SystemScore

SIGNIFICANT = 0.05
MARK = "*"


@dataclass(frozen=True)
class ComparisonTable:
    """What several systems reached.

    Attributes:
        scores: test set and mode -> the scores of all systems.
        cpu_s: what each training of a system cost, where that is known.
    """

    name: str
    title: str
    systems: Sequence[str]
    seeds: Sequence[int]
    scores: Mapping[str, Scores]
    cpu_s: Mapping[str, Sequence[float]]


def as_markdown(table: ComparisonTable) -> str:
    """The tables as a page: means of every test set, then each metric with seeds, intervals and tests."""
    seeds = ", ".join(map(str, table.seeds))
    lines = [
        f"# {table.title}",
        "",
        f"Mean over the seeds {seeds} (each seed), 95 % interval over utterances; difference from the first system",
        f"with its interval and the p-value of a paired test; {MARK} where p < {SIGNIFICANT:g}; - is not defined.",
    ]
    for test, columns in table.scores.items():
        lines += ["", f"## {test}", "", *table_head("system", *(column.title for column in columns))]
        for system in table.systems:
            scores = [(row.get(system), column.metric.digits) for column, row in columns.items()]
            lines.append(table_row(system, *("-" if s is None else number(s.mean, n) + _mark(s) for s, n in scores)))
        for column, row in columns.items():
            lines += ["", *table_head(column.title, "mean", "interval", "difference", "p")]
            # The baseline first: the others are tested against it.
            for system in sorted(row, key=lambda system: not row[system].baseline):
                lines.append(table_row(system, *score_cells(row[system], row, column.metric.digits)))
    costs = [
        f"{system} {sum(seconds) / len(seconds):.0f} ({'/'.join(f'{s:.0f}' for s in seconds)})"
        for system, seconds in table.cpu_s.items()
        if seconds
    ]
    if costs:
        lines += ["", "Process CPU seconds of training: " + "; ".join(costs) + "."]
    return "\n".join(lines) + "\n"


def write_table(table: ComparisonTable, folder: Path) -> Path:
    """Write `<name>.md`, `<name>.json` and a picture of every test set into a folder; returns the page."""
    page, data = folder / f"{table.name}.md", folder / f"{table.name}.json"
    scores = {
        test: {column.title: {name: asdict(score) for name, score in row.items()} for column, row in columns.items()}
        for test, columns in table.scores.items()
    }
    write_text(as_markdown(table), page)
    write_json({"scores": scores, "cpu_s": table.cpu_s}, data)
    for test, columns in table.scores.items():
        plot_balance(columns, folder / f"{table.name}_{test.replace(', ', '_')}.png", title=table.title)
    return page


def table_row(*cells: str) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(cells) + " |"


def table_head(*cells: str) -> list[str]:
    """Its head."""
    return [table_row(*cells), "|---" * len(cells) + "|"]


def score_cells(score: SystemScore, scores: Mapping[str, SystemScore], digits: int) -> list[str]:
    """Mean and seeds, interval, difference from the baseline, p."""
    shown, signed = partial(number, digits=digits), partial(number, digits=digits, sign="+")
    cells = [f"{shown(score.mean)} ({'/'.join(map(shown, score.seeds))})", _bounds(shown(score.low), shown(score.high))]
    if score.baseline:
        return [*cells, "", ""]
    baseline = next(other for other in scores.values() if other.baseline)
    difference = signed(score.mean - baseline.mean)
    bounds = _bounds(signed(score.difference_low), signed(score.difference_high))
    return [
        *cells,
        difference if bounds == "-" else f"{difference} ({bounds})",
        number(score.p_value, 3) + _mark(score),
    ]


def _bounds(low: str, high: str) -> str:
    return "-" if "-" in (low, high) else f"{low} to {high}"


def _mark(score: SystemScore) -> str:
    """The mark of a difference from the baseline that is more than chance; none where that is not defined."""
    return f" {MARK}" if score.p_value < SIGNIFICANT else ""
