"""The table of a sweep of the blank penalty: what each one reaches, and which is best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from espnet_jst.evaluation.compare import Column, Run, Scores, compare_runs
from espnet_jst.evaluation.comparison_table import MARK, SIGNIFICANT, score_cells, table_head, table_row
from espnet_jst.evaluation.files import write_json, write_text
from espnet_jst.evaluation.metrics import headline
from espnet_jst.evaluation.pictures.sweep import plot_sweep
from espnet_jst.evaluation.shown import number

NONE = "0"  # the penalty that is none, always among the others
SHOWN = ("WER", "BLEU", "chrF++", "length ratio", "LAAL")


@dataclass(frozen=True)
class SweepTable:
    """What the penalties reach on one set.

    Attributes:
        fixed: name of each fixed penalty -> its value.
        chosen_by: the metric that says which is best.
        best_fixed, best: by that metric; the first of equal ones.
        scores: of all, against no penalty.
        against_fixed: of those that adapt, against the best fixed one.
    """

    title: str
    fixed: Mapping[str, float]
    chosen_by: Column
    best_fixed: str
    best: str
    scores: Scores
    against_fixed: Scores


def sweep_table(
    title: str, runs: Mapping[str, Run], fixed: Mapping[str, float], *, n_bootstrap: int = 1000
) -> SweepTable:
    """Score all penalties.

    Args:
        runs: by name, `NONE` among them.
        fixed: those of one value.

    Raises:
        DataError: see `compare_runs`.
    """
    scores = compare_runs({name: [run] for name, run in runs.items()}, baseline=NONE, n_bootstrap=n_bootstrap)
    lanes = list(dict.fromkeys(column.lane for column in scores))
    lane = next((lane for lane in lanes if not lane.source), lanes[0])
    chosen_by = Column(headline(lane), lane)
    sign = 1.0 if chosen_by.metric.up else -1.0
    ranked = sorted(runs, key=lambda name: -sign * scores[chosen_by][name].mean)
    best_fixed = next(name for name in ranked if name in fixed)
    steered = {name: [run] for name, run in runs.items() if name == best_fixed or name not in fixed}
    against = compare_runs(steered, baseline=best_fixed, n_bootstrap=n_bootstrap)
    return SweepTable(title, fixed, chosen_by, best_fixed, ranked[0], scores, against)


def as_markdown(table: SweepTable) -> str:
    """The table as a page."""
    shown = [column for column in table.scores if column.metric.name in SHOWN]
    lines = [
        f"# {table.title}",
        "",
        *table_head("blank_penalty", *(column.title for column in shown)),
        *(
            table_row(_bold(name, table), *(number(table.scores[c][name].mean, c.metric.digits) for c in shown))
            for name in table.scores[table.chosen_by]
        ),
        "",
        f"Best by {table.chosen_by.name}: **{table.best}**; of the fixed ones **{table.best_fixed}**. They are chosen",
        "on this set, so what they reach here is a little more than they will elsewhere.",
        "",
        f"95 % intervals over utterances and paired tests; {MARK} where p < {SIGNIFICANT:g}; - is not defined.",
    ]
    for against, scores in ((NONE, table.scores), (table.best_fixed, table.against_fixed)):
        for column in (column for column in shown if column in scores and len(scores[column]) > 1):
            lines += ["", *table_head(f"{column.title}, against {against}", "score", "interval", "difference", "p")]
            ordered = sorted(scores[column], key=lambda name: not scores[column][name].baseline)
            lines += [
                table_row(name, *score_cells(scores[column][name], scores[column], column.metric.digits))
                for name in ordered
            ]
    return "\n".join(lines) + "\n"


def write_sweep(table: SweepTable, folder: Path, name: str) -> Path:
    """Write `<name>.md`, `<name>.json` and `<name>.png` into a folder; returns the page."""
    page = folder / f"{name}.md"
    write_text(as_markdown(table), page)
    found = {
        key: {column.title: {name: asdict(score) for name, score in row.items()} for column, row in scores.items()}
        for key, scores in (("scores", table.scores), ("against_fixed", table.against_fixed))
    }
    summary = {"chosen_by": table.chosen_by.name, "best": table.best, "best_fixed": table.best_fixed}
    write_json({**summary, **found}, folder / f"{name}.json")
    plot_sweep(table.scores, table.fixed, folder / f"{name}.png", title=table.title)
    return page


def _bold(name: str, table: SweepTable) -> str:
    return f"**{name}**" if name in (table.best, table.best_fixed) else name
