"""Draw the committed test lists (lists/*.tsv). They are part of the test sets: run this only to define new ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from data import TEST_SETS
from digit_strings import draw_list, write_list


def main() -> None:
    """Write 1,000 strings for each test set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the lists")
    parser.add_argument("--seed", type=int, default=20230704)
    parser.add_argument("--strings", type=int, default=1000)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in TEST_SETS:
        write_list(args.out / f"{name}.tsv", draw_list(name, args.strings, args.seed))


if __name__ == "__main__":
    main()
