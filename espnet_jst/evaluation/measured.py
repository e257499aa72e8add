"""What a RESULTS.md says was measured: of each lane the first score and the lag of every decoded set."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_ROWS, MAX_CHARS = 40, 120  # of a file that a stranger may have written
_HEADING = re.compile(r"### (?P<lane>.+) \((?P<language>[^()]*)\): quality and latency")


@dataclass(frozen=True)
class Measured:
    """A line of a table of quality and latency.

    Attributes:
        lane: as the heading has it, in lower case.
        language: code of the lane's language, or several.
        dataset: name of the decoded set.
        metric: name of the score, such as "BLEU".
        score: the score as text, with its interval where it has one.
        laal: mean lag in ms as text; "-" where there is none.
    """

    lane: str
    language: str
    dataset: str
    metric: str
    score: str
    laal: str


def read_measured(results: str) -> list[Measured]:
    """The lines of the tables of quality and latency, in their order (`results.format_results` writes them).

    What is not as it should be is left out: the text may be anybody's.
    """
    found: list[Measured] = []
    heading: re.Match[str] | None = None
    columns: list[str] = []
    for line in results.splitlines():
        if line.startswith("#"):
            heading, columns = _HEADING.fullmatch(line), []
        elif heading is not None and line.startswith("|"):
            cells = [cell.strip()[:MAX_CHARS] for cell in line.strip("|").split("|")]
            if not columns:
                columns = cells
            elif len(cells) == len(columns) > 1 and columns[0] == "dataset" and not set(line) <= set("|-:"):
                row = dict(zip(columns, cells))
                lane, language = heading["lane"].lower()[:MAX_CHARS], heading["language"][:MAX_CHARS]
                found.append(Measured(lane, language, cells[0], columns[1], cells[1], row.get("LAAL", "-")))
    return found[:MAX_ROWS]
