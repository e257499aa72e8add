"""A program of ESPnet's, unchanged, behind `register()`: our frontends, encoders, ... are among its choices.

The hook puts this file in the program's place; its name is that of the program.
"""

from __future__ import annotations

import importlib
import sys

from espnet_jst.bin.arguments import run_main
from espnet_jst.registry import register


def main(program: str) -> int:
    """Run ESPnet's program of this name on the command line of this process; returns the exit status."""
    register()
    return run_main(importlib.import_module(program).main)


if __name__ == "__main__":
    sys.exit(main(__spec__.name))
