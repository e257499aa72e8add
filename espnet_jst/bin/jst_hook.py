"""Let `python -m espnet2.bin.st_train` and `st_inference` run models of espnet_jst, in this Python environment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from espnet_jst.bin.arguments import run_main
from espnet_jst.config import CommandParser


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("action", choices=["install", "uninstall", "status"], help="what to do with the hook's file")
    parser.add_argument("--site", metavar="DIR", help="a site-packages folder (default: that of this Python)")
    return parser


def main(cmd: Sequence[str] | None = None) -> int:
    """Entry point; a problem is one message and exit status 1."""
    args = get_parser().parse_args(cmd)
    return run_main(lambda: _run(args))


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.hook import install

    path = install.hook_file(args.site)
    if args.action == "install":
        print(f"installed: {install.install(args.site)}")
    elif args.action == "uninstall":
        print(f"removed: {path}" if install.uninstall(args.site) else f"was not installed: {path}")
    else:
        print(f"installed: {path}" if install.is_installed(args.site) else f"not installed: {path}")


if __name__ == "__main__":
    sys.exit(main())
