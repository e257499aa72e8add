"""One table of what an experiment's decoding runs reached: `python tools/_summary.py exp/st_<tag>`."""

import json
import sys
from pathlib import Path
from typing import Any


def number(value: Any, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def row(scores: dict[str, Any], run: str) -> list[str]:
    """Cells of one decoded set: WER and LAAL of the transcript, BLEU, chrF++ and LAAL of the translation, RTF."""
    cells = [run, scores["dataset"]]
    for lane, metrics in (("transcript", ("WER",)), ("translation", ("BLEU", "chrF++"))):
        entry = scores["lanes"].get(lane, {})
        cells += [number(entry.get("quality", {}).get(name, {}).get("score"), 2) for name in metrics]
        latency = entry.get("latency") or {}
        laal = latency.get("LAAL")
        cells.append(number(None if laal is None else laal / 1000, 2))
    return [*cells, number(latency.get("RTF"), 3)]


def main(experiment: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from espnet_jst.evaluation.metrics import explained
    from espnet_jst.evaluation.results import short_names

    table = Table("decoding", "set", "WER %", "LAAL s", "BLEU", "chrF++", "LAAL s", "RTF", title="Results")
    for column in table.columns[2:]:
        column.justify = "right"
    paths = sorted(experiment.glob("*/*/scores.json"))
    runs = short_names({path.parts[-3] for path in paths})
    for path in paths:
        table.add_row(*row(json.loads(path.read_text(encoding="utf-8")), runs[path.parts[-3]]))
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    print("WER and the first LAAL: transcript. BLEU, chrF++ and the second LAAL: translation.")
    for name, meaning in explained(("WER", "BLEU", "LAAL", "RTF")):
        print(f"{name}: {meaning}.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
