"""Stage 1: data directories train, dev and test of HKUST with English translations.

The folders are those of `espnet_jst.data.corpora.hkust`: HKUST1, HKUST2 and HKUST_ENGLISH, or the flags.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_jst.data.corpora import hkust
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError


def main(argv: list[str] | None = None) -> None:
    """Write the three sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, hkust.FOLDERS)
    args = parser.parse_args(argv)
    for name, reading in hkust.read(*given(args, hkust.FOLDERS)):
        write_set(args.data_dir / name, [reading], src=hkust.SOURCE, tgt=hkust.TARGET)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
