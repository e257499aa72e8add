"""Stage 1: data directories of the user's copy of the corpus, transcripts alone.

The folder is that of `espnet_jst.data.corpora.csj`: CSJ, or the flag.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_jst.data.corpora import csj
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError


def main(argv: list[str] | None = None) -> None:
    """Write the sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, csj.FOLDERS)
    kinds = "talks to train on: A academic, S everyday topics, R read aloud, M others, D dialogues"
    parser.add_argument("--parts", nargs="+", choices=csj.KINDS, default=csj.MONOLOGUES, help=kinds)
    parser.add_argument("--dev_utterances", type=int, default=csj.DEV_UTTERANCES, help="taken from the training talks")
    args = parser.parse_args(argv)
    [corpus] = given(args, csj.FOLDERS)
    for name, readings in csj.read(corpus, args.parts, args.dev_utterances):
        write_set(args.data_dir / name, readings, src=csj.SOURCE, tgt=None)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
