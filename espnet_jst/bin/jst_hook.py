"""Let `python -m espnet2.bin.st_train` and `st_inference` run models of espnet_jst, in this Python environment."""

from __future__ import annotations

import argparse
import sys

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("action", choices=["install", "uninstall", "status"], help="what to do with the hook's file")
    parser.add_argument("--site", metavar="DIR", help="a site-packages folder (default: that of this Python)")
    return parser


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.hook import install

    path = install.hook_file(args.site)
    if args.action == "install":
        print(f"installed: {install.install(args.site)}")
    elif args.action == "uninstall":
        print(f"removed: {path}" if install.uninstall(args.site) else f"was not installed: {path}")
    else:
        print(f"installed: {path}" if install.is_installed(args.site) else f"not installed: {path}")


main = program(get_parser, _run)

if __name__ == "__main__":
    sys.exit(main())
