"""Score a decode directory: quality and latency of both lanes, with intervals and, for two systems, tests."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from espnet_jst.bin.arguments import run_main
from espnet_jst.config import CommandParser

if TYPE_CHECKING:
    from rich.table import Table


def get_parser() -> argparse.ArgumentParser:
    """Command line of jst_score."""
    parser = CommandParser(
        prog="python -m espnet_jst.bin.jst_score",
        description="Score a decode directory (src_text, text, words.jsonl) against the references of its set. Writes "
        "score_wer/, score_cer/, score_bleu/, latency.json and scores.json into it.",
    )
    add = parser.add_argument
    add("--hyp_dir", required=True, metavar="DIR", help="decode directory, as jst_inference writes it")
    add(
        "--ref_dir",
        required=True,
        metavar="DIR",
        help="data directory with text.CASE.LANG, e.g. dump/raw/test; segments.CASE.LANG.jsonl there name speakers",
    )
    add("--src_lang", metavar="LANG", help="language of the transcript, e.g. en; needed to score it")
    add("--tgt_lang", metavar="LANG", help="language of the translation, e.g. de; needed to score it")
    add("--case", default="lc", help="case in the reference files' names; lc scores without case (default: lc)")
    add("--src_case", help="the same for the transcript, where it differs from the translation's")
    add(
        "--references",
        type=int,
        default=1,
        metavar="N",
        help="references of each translation; those after the first are text.CASE.LANG.1 and so on (default: 1)",
    )
    add("--lanes", nargs="+", metavar="LANE", help="transcript, translation (default: those whose files are there)")
    add("--st_train_config", metavar="FILE", help="config.yaml of the model, where it writes further lanes")
    add("--word_times", metavar="FILE", help="end times of the reference words in s (default: REF_DIR/word_times)")
    add("--compare", metavar="DIR", help="second decode directory of the same set: paired bootstrap tests against it")
    add("--exp_dir", metavar="DIR", help="also write RESULTS.md there, from all scores below it")
    add("--signature", nargs="+", metavar="KEY=VALUE", help="how the hypotheses were made (default: signature.json)")
    add("--n_bootstrap", type=int, default=1000, metavar="N", help="resamples; 0 for no intervals (default: 1000)")
    add("--seed", type=int, default=12345, help="of the bootstrap (default: 12345)")
    return parser


def main(cmd: Sequence[str] | None = None) -> int:
    """Parse and run; returns the exit status."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    for pair in args.signature or ():
        if "=" not in pair:
            parser.error(f"--signature {pair}: write KEY=VALUE, e.g. beam=4")
    if args.references < 1:
        parser.error(f"--references {args.references}: give 1 or more")
    if args.n_bootstrap < 0 or (args.compare and args.n_bootstrap < 1):
        parser.error(f"--n_bootstrap {args.n_bootstrap}: give 0 or more, and at least 1 with --compare")
    return run_main(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    from rich.console import Console

    from espnet_jst.evaluation import compare_directories, score_directory, write_results
    from espnet_jst.evaluation.files import some_names
    from espnet_jst.evaluation.lanes import further_lanes

    console = Console()
    shared = {
        key: getattr(args, key)
        for key in ("src_lang", "tgt_lang", "case", "src_case", "lanes", "references", "n_bootstrap", "seed")
    }
    shared["further"] = further_lanes(args.st_train_config) if args.st_train_config else []
    signature = dict(pair.split("=", 1) for pair in args.signature) if args.signature else None
    scores = score_directory(args.hyp_dir, args.ref_dir, signature=signature, word_times=args.word_times, **shared)
    console.print(_score_table(scores))
    for note in dict.fromkeys(note for entry in scores["lanes"].values() for note in entry["notes"]):
        print(note)
    if (speakers := _speaker_table(scores)) is not None:
        console.print(speakers)
    for note in (note for entry in scores["lanes"].values() for note in entry.get("speakers", {}).get("notes", ())):
        print(note)
    for lane, missing in scores["missing_hypotheses"].items():
        if missing:
            print(f"{lane}: {len(missing)} hypotheses are missing and count as empty: {some_names(missing)}")
    if args.compare:
        console.print(_comparison_table(compare_directories(args.hyp_dir, args.compare, args.ref_dir, **shared)))
    if args.exp_dir:
        print(f"wrote {write_results(args.exp_dir)}")


def _score_table(scores: Mapping[str, Any]) -> Table:
    from rich.table import Table

    from espnet_jst.evaluation.metrics import text_metrics
    from espnet_jst.evaluation.shown import LATENCY, with_interval

    lanes = scores["lanes"]
    counts = ", ".join(f"{entry['utterances']} utterances" for entry in list(lanes.values())[:1])
    table = Table("", *(f"{lane} ({entry['language']})" for lane, entry in lanes.items()), title_justify="left")
    table.title = f"{scores['dataset']}: {counts}; latency in ms, 95 % intervals"
    for metric in text_metrics():
        cells = (with_interval(entry["quality"][metric.name], metric.digits) for entry in lanes.values())
        table.add_row(metric.name, *cells)
    table.add_section()
    for column in LATENCY:
        values = [column.cell(entry["latency"]) for entry in lanes.values()]
        if any(value.strip("-/") for value in values):
            table.add_row(column.title, *values)
    return table


def _speaker_table(scores: Mapping[str, Any]) -> Table | None:
    from rich.table import Table

    from espnet_jst.evaluation.shown import with_interval
    from espnet_jst.evaluation.speakers.scores import SPEAKER_METRICS

    lanes = {name: entry for name, entry in scores["lanes"].items() if entry.get("speakers", {}).get("scores")}
    if not lanes:
        return None
    table = Table("", *(f"{lane} ({entry['language']})" for lane, entry in lanes.items()), title_justify="left")
    table.title = f"{scores['dataset']}: speakers, 95 % intervals over sessions"
    table.add_row("sessions", *(str(entry["speakers"]["sessions"]) for entry in lanes.values()))
    for metric in SPEAKER_METRICS:
        found = [entry["speakers"]["scores"].get(metric.name) for entry in lanes.values()]
        if any(found):
            table.add_row(metric.name, *(with_interval(score) if score else "" for score in found))
    return table


def _comparison_table(comparison: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> Table:
    from rich.table import Table

    from espnet_jst.evaluation.shown import number

    table = Table("lane", "metric", "first", "second", "difference (95 %)", "p", title="paired tests")
    for lane, rows in comparison.items():
        for name, row in rows.items():
            first, second = row["first"], row["second"]
            difference = number(None if first is None or second is None else second - first, 2, "+")
            if row["low"] is not None:
                difference += f" ({row['low']:+.2f} to {row['high']:+.2f})"
            table.add_row(lane, name, number(first, 2), number(second, 2), difference, number(row["p_value"], 3))
        table.add_section()
    return table


if __name__ == "__main__":
    sys.exit(main())
