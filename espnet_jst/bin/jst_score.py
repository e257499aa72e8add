"""Score a decode directory: quality and latency of both lanes, with intervals and, for two systems, tests."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from espnet_jst.config import CommandParser
from espnet_jst.errors import JSTError


def get_parser() -> argparse.ArgumentParser:
    """Command line of jst_score."""
    parser = CommandParser(
        prog="python -m espnet_jst.bin.jst_score",
        description="Score a decode directory (src_text, text, words.jsonl) against the references of its set. Writes "
        "score_wer/, score_cer/, score_bleu/, latency.json and scores.json into it.",
    )
    add = parser.add_argument
    add("--hyp_dir", required=True, metavar="DIR", help="decode directory, as jst_inference writes it")
    add("--ref_dir", required=True, metavar="DIR", help="data directory with text.CASE.LANG, e.g. dump/raw/test")
    add("--src_lang", required=True, metavar="LANG", help="language of the transcript, e.g. en")
    add("--tgt_lang", required=True, metavar="LANG", help="language of the translation, e.g. de")
    add("--case", default="lc", help="case in the reference files' names; lc scores without case (default: lc)")
    add("--src_case", help="the same for the transcript, where it differs from the translation's")
    add("--lanes", nargs="+", metavar="LANE", help="transcript, translation (default: those whose files are there)")
    add("--word_times", metavar="FILE", help="end times of the reference words in s (default: REF_DIR/word_times)")
    add("--compare", metavar="DIR", help="second decode directory of the same set: paired bootstrap tests against it")
    add("--exp_dir", metavar="DIR", help="also write RESULTS.md there, from all scores below it")
    add("--signature", nargs="+", metavar="KEY=VALUE", help="how the hypotheses were made (default: signature.json)")
    add("--n_bootstrap", type=int, default=1000, metavar="N", help="resamples; 0 for no intervals (default: 1000)")
    add("--seed", type=int, default=12345, help="of the bootstrap (default: 12345)")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Entry point; a problem with the data is one message and exit status 1."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    for pair in args.signature or ():
        if "=" not in pair:
            parser.error(f"--signature {pair}: write KEY=VALUE, e.g. beam=4")
    if args.n_bootstrap < 0 or (args.compare and args.n_bootstrap < 1):
        parser.error(f"--n_bootstrap {args.n_bootstrap}: give 0 or more, and at least 1 with --compare")
    try:
        _run(args)
    except JSTError as error:
        from espnet_jst.data.kaldi import printable

        sys.exit(f"jst_score: {printable(str(error))}")


def _run(args: argparse.Namespace) -> None:
    from rich.console import Console

    from espnet_jst.evaluation import compare_directories, score_directory, write_results
    from espnet_jst.evaluation.files import some_names

    console = Console()
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    shared = {
        key: getattr(args, key) for key in ("src_lang", "tgt_lang", "case", "src_case", "lanes", "n_bootstrap", "seed")
    }
    signature = dict(pair.split("=", 1) for pair in args.signature) if args.signature else None
    scores = score_directory(args.hyp_dir, args.ref_dir, signature=signature, word_times=args.word_times, **shared)
    console.print(_score_table(scores))
    for note in dict.fromkeys(note for entry in scores["lanes"].values() for note in entry["notes"]):
        say(note)
    for lane, missing in scores["missing_hypotheses"].items():
        if missing:
            shown = some_names(missing)
            say(f"{lane}: {len(missing)} hypotheses are missing and count as empty: {shown}")
    if args.compare:
        console.print(_comparison_table(compare_directories(args.hyp_dir, args.compare, args.ref_dir, **shared)))
    if args.exp_dir:
        console.print(f"wrote {write_results(args.exp_dir)}")


_QUALITY = ("WER", "CER", "BLEU", "chrF++", "TER")
_LATENCY = ("AL", "LAAL", "LAAL_CA", "DAL", "YAAL", "AP", "FTL_P50", "FTL_P90", "LTL_P50", "length_ratio", "RTF")


def _score_table(scores: Mapping[str, Any]) -> Any:
    from rich.table import Table

    lanes = scores["lanes"]
    counts = ", ".join(f"{entry['utterances']} utterances" for entry in list(lanes.values())[:1])
    table = Table("", *(f"{lane} ({entry['language']})" for lane, entry in lanes.items()), title_justify="left")
    table.title = f"{scores['dataset']}: {counts}; latency in ms, 95 % intervals"
    for name in _QUALITY:
        table.add_row(name, *(_cell(entry["quality"][name]) for entry in lanes.values()))
    table.add_section()
    for name in _LATENCY:
        values = [(entry["latency"] or {}).get(name) for entry in lanes.values()]
        if any(value is not None for value in values):
            digits = 3 if name in ("AP", "length_ratio", "RTF") else 0
            table.add_row(name, *("-" if value is None else f"{value:.{digits}f}" for value in values))
    return table


def _comparison_table(comparison: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Any:
    from rich.table import Table

    table = Table("lane", "metric", "first", "second", "difference (95 %)", "p", title="paired tests")
    for lane, rows in comparison.items():
        for name, row in rows.items():
            first, second, p_value = row["first"], row["second"], row["p_value"]
            difference = "-" if first is None or second is None else f"{second - first:+.2f}"
            if row["low"] is not None:
                difference += f" ({row['low']:+.2f} to {row['high']:+.2f})"
            table.add_row(lane, name, _number(first), _number(second), difference, _number(p_value, 3))
        table.add_section()
    return table


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _cell(entry: Mapping[str, Any]) -> str:
    if entry["score"] is None or entry.get("low") is None:
        return _number(entry["score"])
    return f"{entry['score']:.2f} ({entry['low']:.2f} to {entry['high']:.2f})"


if __name__ == "__main__":
    main()
