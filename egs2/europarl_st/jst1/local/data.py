"""Stage 1 of the Europarl-ST recipe: data directories from the user's copy of the corpus (v1.1)."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from espnet_jst.data.corpora.europarl_st import Directions, read
from espnet_jst.data.corpora.turns import check_folder, write_set
from espnet_jst.errors import JSTError

WHAT = "Europarl-ST"
GET = (
    "get v1.1.tar.gz (20 GB) from https://www.mllp.upv.es/europarl-st, unpack it, and give the folder v1.1 of it, in "
    "which are de, en and so on, as EUROPARL_ST=FOLDER ./run.sh"
)


def main(argv: list[str] | None = None) -> None:
    """Write train, dev and the test sets, or say what they are called."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    parser.add_argument("--corpus", type=Path, default=os.environ.get("EUROPARL_ST"), help="folder of the corpus")
    parser.add_argument("--langs", default=os.environ.get("EUROPARL_ST_LANGS", "en-de"), help="as run.sh has them")
    parser.add_argument("--converted", type=Path, default=Path("data/audio"), help="where M4A becomes FLAC")
    parser.add_argument("--dev", type=int, default=0, help="most utterances of a direction in dev; 0: all")
    parser.add_argument("--nj", type=int, default=os.cpu_count() or 1, help="recordings that are converted at a time")
    parser.add_argument("--names", action="store_true", help="print languages and test sets, for run.sh")
    args = parser.parse_args(argv)
    directions = Directions.parse(args.langs)
    src, tgt = (directions.language(side) for side in ("src", "tgt"))
    if args.names:
        print(src, tgt, *directions.tests)
        return
    corpus = check_folder(args.corpus, WHAT, GET)
    sets = read(corpus, directions, converted=args.converted.absolute(), dev=args.dev, nj=args.nj)
    for name, readings in sets:
        write_set(args.data_dir / name, readings, src=src, tgt=tgt)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
