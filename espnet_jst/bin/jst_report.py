"""Write the report of a run: one HTML page with results, learning curves, latency and the worst utterances."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from espnet_jst.bin.arguments import run_main
from espnet_jst.config import CommandParser


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst report",
        description=__doc__,
        epilog="Run it in the recipe's folder: the audio files are found by the paths in wav.scp.",
    )
    parser.add_argument("exp_dir", metavar="EXP_DIR", help="experiment with scored decode directories, e.g. exp/st_a")
    parser.add_argument(
        "--data_dir", default="dump/raw", metavar="DIR", help="folder of the sets (default: %(default)s)"
    )
    parser.add_argument("--output", metavar="FILE", help="the page (default: report.html in EXP_DIR)")
    parser.add_argument(
        "--worst", type=int, default=4, metavar="N", help="utterances for each measure (default: %(default)s)"
    )
    parser.add_argument("--audio", action="store_true", help="embed the recordings of the utterances shown")
    return parser


def main(cmd: Sequence[str] | None = None) -> int:
    """Entry point; a problem is one message and exit status 1."""
    parser = get_parser()
    args = parser.parse_args(cmd)
    if args.worst < 1:
        parser.error(f"--worst {args.worst}: give 1 or more")
    return run_main(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.evaluation import write_report

    path = write_report(args.exp_dir, args.data_dir, args.output, worst=args.worst, audio=args.audio)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    raise SystemExit(main())
