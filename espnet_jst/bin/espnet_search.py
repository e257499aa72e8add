"""ESPnet's st_inference with its own searches (`transducer_conf`) on a model of ours: its task is set to JSTTask."""

from __future__ import annotations

import sys

from espnet_jst.bin.arguments import run_main


def main() -> int:
    """Run it on the command line of this process; returns the exit status."""
    from espnet_jst.tasks.jst import JSTTask  # before ESPnet's program: this way to import the tasks is the quick one

    from espnet2.bin import st_inference  # isort: skip

    st_inference.STTask = JSTTask
    return run_main(st_inference.main)


if __name__ == "__main__":
    sys.exit(main())
