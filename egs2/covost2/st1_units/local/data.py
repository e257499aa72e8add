"""Stage 1 of the CoVoST 2 recipe: data directories from the user's copies of Common Voice and of the translations.

Their folders are those of `espnet_jst.data.corpora.covost2`: COMMON_VOICE and COVOST2, or the flags; COVOST2_SRC and
COVOST2_TGT are the languages.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from espnet_jst.data.corpora.covost2 import CASES, FOLDERS, SETS, check_direction, read_set
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError


def main(argv: list[str] | None = None) -> None:
    """Write all sets of one direction."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, FOLDERS)
    parser.add_argument("--src", default=os.environ.get("COVOST2_SRC", "en"), help="spoken language, such as en")
    parser.add_argument("--tgt", default=os.environ.get("COVOST2_TGT", "de"), help="target language, such as de")
    args = parser.parse_args(argv)
    check_direction(args.src, args.tgt)
    voices, tables = given(args, FOLDERS)
    for name in SETS:
        reading = read_set(voices, tables, args.src, args.tgt, name)
        write_set(args.data_dir / name, [reading], src=args.src, tgt=args.tgt, cases=CASES)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
