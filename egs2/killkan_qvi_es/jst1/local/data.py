"""Stage 1 of the Killkan recipe: data directories from the repository, or from a packed form of it.

Its folder is that of `espnet_jst.data.corpora.killkan`: KILLKAN, or the flag.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.killkan import FOLDERS, read, unseen
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.errors import JSTError


def main(argv: list[str] | None = None) -> None:
    """Write train, dev, test, and test_unseen, what train does not say; sentences without a translation: train_asr."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, FOLDERS)
    parser.add_argument("--converted", type=Path, default=Path("data/audio"), help="where clips become FLAC")
    parser.add_argument("--nj", type=int, default=os.cpu_count() or 1, help="clips that are converted at a time")
    args = parser.parse_args(argv)
    [corpus] = given(args, FOLDERS)
    sets = read(corpus, args.converted.absolute(), nj=args.nj)
    for name, (both, alone) in sets.items():
        write_set(args.data_dir / name, [both], src="qvi", tgt="es")
        if name == "train" and alone.turns:
            write_set(args.data_dir / f"{name}_asr", [alone], src="qvi", tgt=None)
    new = unseen(sets["test"][0], sets["train"][0])
    if new.turns:
        write_set(args.data_dir / "test_unseen", [new], src="qvi", tgt="es")


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
