"""Stage 1 of the Europarl-ST recipe: data directories from the user's copy of the corpus (v1.1).

Its folder is that of `espnet_jst.data.corpora.europarl_st`: EUROPARL_ST, or the flag.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from espnet_jst.data.corpora.directions import Directions
from espnet_jst.data.corpora.europarl_st import FOLDERS, LANGUAGES, read
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError


def main(argv: list[str] | None = None) -> None:
    """Write train, dev and the test sets, or say what they are called."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, FOLDERS)
    parser.add_argument("--langs", default=os.environ.get("EUROPARL_ST_LANGS", "en-de"), help="as run.sh has them")
    parser.add_argument("--converted", type=Path, default=Path("data/audio"), help="where M4A becomes FLAC")
    parser.add_argument("--dev", type=int, default=0, help="most utterances of a direction in dev; 0: all")
    parser.add_argument("--nj", type=int, default=os.cpu_count() or 1, help="recordings that are converted at a time")
    parser.add_argument("--names", action="store_true", help="print languages and test sets, for run.sh")
    args = parser.parse_args(argv)
    directions = Directions.parse(args.langs, LANGUAGES)
    src, tgt = (directions.language(side) for side in ("src", "tgt"))
    if args.names:
        print(src, tgt, *directions.tests)
        return
    [corpus] = given(args, FOLDERS)
    sets = read(corpus, directions, converted=args.converted.absolute(), dev=args.dev, nj=args.nj)
    for name, readings in sets:
        write_set(args.data_dir / name, readings, src=src, tgt=tgt)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
