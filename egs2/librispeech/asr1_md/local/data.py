"""Stage 1: data directories of the user's copy of the corpus, transcripts alone.

The folder is that of `espnet_jst.data.corpora.librispeech`: LIBRISPEECH, or the flag.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_jst.data.corpora import librispeech
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError


def main(argv: list[str] | None = None) -> None:
    """Write the sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, librispeech.FOLDERS)
    parser.add_argument("--parts", nargs="+", default=(), help="of the training; default: all that are there")
    args = parser.parse_args(argv)
    [corpus] = given(args, librispeech.FOLDERS)
    for name, readings in librispeech.read(corpus, args.parts):
        write_set(args.data_dir / name, readings, src=librispeech.SOURCE, tgt=None)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
