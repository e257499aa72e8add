"""What serialized training will cost and teach under each policy, from text and links alone, before any training."""

from __future__ import annotations

import argparse
import sys

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("--src", required=True, help="transcripts, a line an utterance: key, words")
    parser.add_argument("--tgt", required=True, help="translations")
    parser.add_argument("--alignment", required=True, help="word links that the policies follow (espnet-jst align)")
    parser.add_argument("--reference", help="gold links: what is measured by them shows the faults of the others")
    parser.add_argument(
        "--policies",
        default="align,0.5,0.3,0.0,eager",
        help="separated by commas: align, eager, or a gamma of INTER (default: %(default)s)",
    )
    group = parser.add_argument_group("labels: bursts are counted in words, or in the pieces of a token list")
    group.add_argument("--token_list", help="tokens.txt")
    group.add_argument("--bpemodel", help="its SentencePiece model")
    parser.add_argument("--sample", type=int, default=0, help="utterances, evenly spaced; 0 takes all")
    parser.add_argument("--output", help="folder for diagnosis.md, .json and .png")
    return parser


def _run(args: argparse.Namespace) -> None:
    from rich.console import Console

    from espnet_jst.evaluation.diagnosis import diagnosis_table, read_and_compare, write_diagnosis
    from espnet_jst.text.tokenizer import find_tokenizer

    reports, title = read_and_compare(
        args.src,
        args.tgt,
        args.alignment,
        reference=args.reference,
        policies=args.policies.split(","),
        tokenizer=find_tokenizer(args.token_list, args.bpemodel),
        sample=args.sample,
    )
    # A file or a pipe has no width; the table is not to be broken for that.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(diagnosis_table(reports, title))
    if args.output:
        print("written:", *write_diagnosis(reports, args.output, title))


main = program(get_parser, _run)

if __name__ == "__main__":
    sys.exit(main())
