"""Stage 1: data directories fisher_train, fisher_dev, fisher_dev2 and fisher_test, and CallHome's where it is there.

The folders are those of `espnet_jst.data.corpora.fisher_callhome`: FISHER_CALLHOME_SPANISH and
FISHER_CALLHOME_TRANSLATIONS, or the flags.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_jst.data.corpora import fisher_callhome
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError


def main(argv: list[str] | None = None) -> None:
    """Write the sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, fisher_callhome.FOLDERS)
    args = parser.parse_args(argv)
    for name, reading in fisher_callhome.read_all(*given(args, fisher_callhome.FOLDERS)):
        write_set(args.data_dir / name, [reading], src=fisher_callhome.SOURCE, tgt=fisher_callhome.TARGET)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
