"""Lines of text in, their translations out, by a model that hears text (`input_size`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from espnet_jst.bin.arguments import MODEL_HELP, lane_values, program
from espnet_jst.config import CommandParser
from espnet_jst.errors import DataError

BATCH = 16


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(prog="espnet-jst translate", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="text, a sentence a line, or -: standard input")
    parser.add_argument("--model", required=True, help=MODEL_HELP)
    parser.add_argument("--tgt_lang", help="language to translate into, of a model that has several")
    parser.add_argument("--beam_size", type=int, help="hypotheses kept; 1: greedy; default: the pack's, or 1")
    parser.add_argument("--blank_penalty", type=lane_values, help="taken off the blank's logit: more words")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.inference.text2text import Text2Text
    from espnet_jst.text.words import join_words

    given = {key: getattr(args, key) for key in ("tgt_lang", "beam_size", "blank_penalty")}
    lines = list(_lines(args.files))
    translator = Text2Text.from_pretrained(
        args.model, device=args.device, **{key: value for key, value in given.items() if value is not None}
    )
    for begin in range(0, len(lines), BATCH):
        for words in translator(lines[begin : begin + BATCH]):
            print(join_words(words), flush=True)


def _lines(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        try:
            if path == "-":
                yield from (line.strip() for line in sys.stdin)
                continue
            with open(path, encoding="utf-8", newline="\n") as stream:
                yield from (line.strip() for line in stream)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot be read ({error}): give UTF-8 text, a sentence a line") from error


main = program(get_parser, _run)

if __name__ == "__main__":
    raise SystemExit(main())
