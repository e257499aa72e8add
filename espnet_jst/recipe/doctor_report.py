"""How the doctor prints what it found: a row for each kind of problem, and one line that sums up."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from espnet_jst.data.checks import ERROR, WARNING, Problem
from espnet_jst.data.kaldi import printable
from espnet_jst.recipe.doctor import Diagnosis

WIDTH = 140  # of a table that goes to a file or a pipe


def show_problems(problems: Sequence[Problem]) -> None:
    """Print the table of problems, if there are any."""
    if problems:
        console = Console()
        (console if console.is_terminal else Console(width=WIDTH)).print(problem_table(problems))


def problem_table(problems: Sequence[Problem]) -> Table:
    """Kind, severity, number, an example with its fix; errors first, then the frequent ones."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.severity, problem.kind), []).append(problem)
    table = Table(show_lines=True)
    for name in ("kind", "severity", "number", "example", "fix"):
        table.add_column(name, overflow="fold", no_wrap=name == "kind")
    for (severity, kind), group in sorted(groups.items(), key=_rank):
        style = "red" if severity == ERROR else "yellow"
        # Text, because a reason may hold what rich takes for markup.
        example, fix = Text(printable(f"{group[0].utt_id}: {group[0].reason}")), Text(group[0].fix)
        table.add_row(kind, Text(severity, style=style), str(len(group)), example, fix)
    return table


def _rank(entry: tuple[tuple[str, str], Sequence[Problem]]) -> tuple[bool, int, str]:
    (severity, kind), group = entry
    return severity != ERROR, -len(group), kind


def summary(found: Diagnosis) -> str:
    """One line: utterances and hours, good ones, those with errors, those with warnings."""
    errors, warnings = found.concerned(ERROR), found.concerned(WARNING)
    return (
        f"{found.directory}: {found.good + len(errors)} utterances, {found.good} good ({found.audio_s / 3600:.2f} h), "
        f"{len(errors)} with errors, {len(warnings)} with warnings"
    )
