"""Run the commands in a wav.scp ("... |", as Kaldi has them) once, and write a data directory that names audio files.

Without --run_commands the commands are only shown: they are shell commands and may do anything. Look at them first.
With it they run, several at a time; what an earlier run wrote is kept; what fails is listed in skipped.jsonl.
"""

from __future__ import annotations

import argparse
import sys

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser
from espnet_jst.recipe.options import add_options

EXAMPLES = 5


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst convert-pipes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", metavar="DIR", help="data directory with wav.scp")
    parser.add_argument("out", metavar="OUT", help="data directory to write; the audio goes to OUT/audio")
    parser.add_argument("--run_commands", action="store_true", help="run them; without it they are shown")
    parser.add_argument("--timeout_s", type=float, default=600.0, help="seconds that one may take (default 600)")
    add_options(parser, ("nj",))
    return parser


def _run(args: argparse.Namespace) -> int:
    from espnet_jst.data.checks import SKIPPED
    from espnet_jst.data.kaldi import printable
    from espnet_jst.recipe.pipes import convert_pipes, find_pipes

    pipes, others = find_pipes(args.directory)
    shown = pipes[:EXAMPLES] if args.run_commands else pipes
    for pipe in shown:
        print(printable(f"{pipe.key}: {pipe.command}"))
    if len(shown) < len(pipes):
        print(f"... and {len(pipes) - len(shown)} more")
    if pipes and not args.run_commands:
        print(f"nothing was run: to run these {len(pipes)} commands, give --run_commands", file=sys.stderr)
        return 1
    done = convert_pipes(pipes, others, args.directory, args.out, nj=args.nj, timeout_s=args.timeout_s)
    parts = [f"{len(done.files)} of {len(pipes)} commands gave audio ({done.before} were there already)"]
    parts += [f"{len(others)} lines were files already"] * bool(others)
    print(printable(f"{args.out}: {', '.join(parts)}"))
    if done.problems:
        left_out = f"{len(done.problems)} left out (listed in {args.out}/{SKIPPED}; first: {done.problems[0]})"
        print(printable(left_out), file=sys.stderr)
    return 1 if done.problems else 0


main = program(get_parser, _run)

if __name__ == "__main__":
    sys.exit(main())
