"""Speak texts by a speech synthesizer of yours: a data directory of recordings, for more speech than was recorded."""

from __future__ import annotations

import argparse
from pathlib import Path

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser
from espnet_jst.recipe.options import add_options


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst synthesize",
        description=__doc__,
        epilog="Example: espnet-jst synthesize --data_dir data/text --text text.lc.rm.es --output_dir data/tts "
        "--voices es es-419 --tts_command 'espeak-ng -v {voice} -w {wav} {text}'. It is called without a shell.",
    )
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with text.* of the same utterances")
    parser.add_argument("--text", required=True, metavar="FILE", help="which of them is spoken")
    parser.add_argument("--output_dir", type=Path, required=True, help="data directory to write")
    parser.add_argument(
        "--tts_command",
        required=True,
        metavar="COMMAND",
        help="with {wav}, the file to write, {text} (else the text goes to its standard input), and {voice}",
    )
    parser.add_argument("--voices", nargs="+", default=[], metavar="NAME", help="each text has one of them")
    parser.add_argument("--timeout_s", type=float, default=60.0, help="seconds that a text may take (default 60)")
    add_options(parser, ("nj",))
    return parser


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.data.synthesis import Synthesizer, synthesize

    synthesizer = Synthesizer.read(args.tts_command, args.voices, args.timeout_s)
    print(synthesize(args.data_dir, args.output_dir, args.text, synthesizer, nj=args.nj))


main = program(get_parser, _run)

if __name__ == "__main__":
    raise SystemExit(main())
