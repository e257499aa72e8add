"""Stage 1 of the MuST-C recipe: data directories from the user's copy of the corpus.

Its folder is that of `espnet_jst.data.corpora.must_c`: MUST_C, or the flag; MUST_C_TGT is the target language.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.must_c import CASES, FOLDERS, SETS, read_set
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError


def main(argv: list[str] | None = None) -> None:
    """Write all sets of one direction."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, FOLDERS)
    parser.add_argument("--tgt", default=os.environ.get("MUST_C_TGT", "de"), help="target language, such as de")
    args = parser.parse_args(argv)
    [corpus] = given(args, FOLDERS)
    for name in SETS:
        write_set(args.data_dir / name, [read_set(corpus, args.tgt, name)], src="en", tgt=args.tgt, cases=CASES)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
