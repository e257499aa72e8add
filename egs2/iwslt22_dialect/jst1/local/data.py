"""Stage 1: data directories train, dev and test1 of IWSLT 2022's dialect task.

The folders are those of `espnet_jst.data.corpora.iwslt22_dialect`: IWSLT22_DIALECT and IWSLT22_SPLITS, or the flags.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_jst.data.corpora import iwslt22_dialect, wording
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError

ARABIC = {"plain": wording.tunisian, "folded": wording.tunisian_folded}


def main(argv: list[str] | None = None) -> None:
    """Write the three sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    parser.add_argument("--arabic", choices=ARABIC, default="plain", help="folded: variants of letters are one letter")
    add_folders(parser, iwslt22_dialect.FOLDERS)
    args = parser.parse_args(argv)
    corpus, splits = given(args, iwslt22_dialect.FOLDERS)
    for name, reading in iwslt22_dialect.read(corpus, splits, normalize=ARABIC[args.arabic]):
        write_set(args.data_dir / name, [reading], src=iwslt22_dialect.SOURCE, tgt=iwslt22_dialect.TARGET)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
