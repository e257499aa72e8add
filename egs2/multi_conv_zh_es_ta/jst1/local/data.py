"""Stage 1: train and dev of Mandarin, Spanish and Tunisian together, and a test set of each.

The folders are those of the three corpora's own recipes: IWSLT22_DIALECT, IWSLT22_SPLITS, FISHER_CALLHOME_SPANISH,
FISHER_CALLHOME_TRANSLATIONS, HKUST1, HKUST2 and HKUST_ENGLISH, or the flags.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_jst.data.corpora import fisher_callhome, hkust, iwslt22_dialect
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import Reading, write_set
from espnet_jst.errors import JSTError

CORPORA = (iwslt22_dialect, fisher_callhome, hkust)
# Set of a corpus -> set that it goes to; the others (fisher_dev2, CallHome) are those of the corpus's own recipe.
IWSLT22 = {"train": "train", "dev": "dev", "test1": "test_iwslt22_ta"}
FISHER = {"fisher_train": "train", "fisher_dev": "dev", "fisher_test": "test_fisher_sp"}
HKUST = {"train": "train", "dev": "dev", "test": "test_hkust"}
SOURCE, TARGET = "mul", "en"  # ISO 639-2: several languages


def main(argv: list[str] | None = None) -> None:
    """Write the five sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    for corpus in CORPORA:
        add_folders(parser, corpus.FOLDERS)
    args = parser.parse_args(argv)
    # All folders are looked for before the first is read.
    tunisian, spanish, mandarin = (given(args, corpus.FOLDERS) for corpus in CORPORA)
    sets: dict[str, list[Reading]] = {}
    for names, found in (
        (IWSLT22, iwslt22_dialect.read(*tunisian)),
        (FISHER, fisher_callhome.read_all(*spanish)),
        (HKUST, hkust.read(*mandarin)),
    ):
        for name, reading in found:
            if name in names:
                sets.setdefault(names[name], []).append(reading)
    for name, readings in sets.items():
        write_set(args.data_dir / name, readings, src=SOURCE, tgt=TARGET)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
