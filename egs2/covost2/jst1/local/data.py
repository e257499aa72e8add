"""Stage 1 of the CoVoST 2 recipes: data directories from the user's copies of Common Voice and of the translations.

Their folders are those of `espnet_jst.data.corpora.covost2`: COMMON_VOICE and COVOST2, or the flags; COVOST2_LANGS
are the directions.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from espnet_jst.data.corpora.covost2 import CASES, FOLDERS, parse_directions, read_directions
from espnet_jst.data.corpora.directions import SEVERAL
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import ConfigError, JSTError


def main(argv: list[str] | None = None) -> None:
    """Write train, dev and the test sets, or say what they are called."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, FOLDERS)
    parser.add_argument("--langs", default=os.environ.get("COVOST2_LANGS", "en-de"), help="as run.sh has them")
    parser.add_argument("--names", action="store_true", help="print languages and test sets, for run.sh")
    args = parser.parse_args(argv)
    directions = parse_directions(args.langs)
    src, tgt = (directions.language(side) for side in ("src", "tgt"))
    if (src, tgt) == (SEVERAL["src"], SEVERAL["tgt"]):
        raise ConfigError(f"--langs {args.langs}: give several spoken languages, or several targets of one, not both")
    if args.names:
        print(src, tgt, *directions.tests)
        return
    voices, tables = given(args, FOLDERS)
    for name in ("train", "dev"):
        readings = read_directions(voices, tables, directions, name)
        write_set(args.data_dir / name, readings, src=src, tgt=tgt, cases=CASES)
    tests = zip(directions.tests, read_directions(voices, tables, directions, "test"), strict=True)
    for name, reading in tests:
        write_set(args.data_dir / name, [reading], src=src, tgt=tgt, cases=CASES)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
