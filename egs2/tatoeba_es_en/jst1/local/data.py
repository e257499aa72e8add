"""Stage 1 of the Tatoeba recipe: data directories from a folder with <set>.tsv and <set>/<id>.opus of each set.

The tables have the columns id, speaker, spa and eng. The sentences are Tatoeba's (CC BY 2.0); the recordings are made
from them with speech synthesizers and are not part of the project. With `--spoken N` only the first N sentences of the
training set are heard, and `data/text` has both texts of all of them, and of a larger table (`--text`), without
recordings.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
from pathlib import Path

from espnet_jst.data.kaldi import write_data_dir, write_table
from espnet_jst.errors import ConfigError, JSTError

SETS = ("train", "dev", "test")
# What is no word by itself: apostrophes and hyphens stay inside words.
PUNCTUATION = re.compile(r"[^\w\s'-]|(?<!\w)['-]+|['-]+(?!\w)", re.UNICODE)


def normalize(text: str) -> str:
    """Lower case, no punctuation (the case "lc.rm")."""
    text = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(PUNCTUATION.sub(" ", text).split())


def read_rows(table: Path) -> list[dict[str, str]]:
    """The sentences of a table.

    Raises:
        ConfigError: the table is not there.
    """
    if not table.is_file():
        raise ConfigError(f"{table} is missing: give the folder of the corpus as TATOEBA_ES_EN=FOLDER ./run.sh")
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def texts(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Both texts, as files of a data directory."""
    return {
        "text.lc.rm.es": {row["id"]: normalize(row["spa"]) for row in rows},
        "text.lc.rm.en": {row["id"]: normalize(row["eng"]) for row in rows},
    }


def write_set(table: Path, out: Path, spoken: int | None = None) -> None:
    """Write one data directory, of the first `spoken` sentences.

    Raises:
        ConfigError: the table is not there.
    """
    rows = read_rows(table)[:spoken]
    audio = table.with_suffix("").absolute()
    write_data_dir(
        out,
        {
            "wav.scp": {row["id"]: (audio / f"{row['id']}.opus").as_posix() for row in rows},
            **texts(rows),
            "utt2spk": {row["id"]: row["speaker"] for row in rows},
        },
    )
    print(f"{len(rows)} utterances in {out}", file=sys.stderr)


def write_text(table: Path, out: Path) -> None:
    """Write both texts of all sentences, which need no recordings."""
    for name, lines in texts(rows := read_rows(table)).items():
        write_table(out / name, lines)
    print(f"{len(rows)} pairs of text in {out}", file=sys.stderr)


def main(argv: list[str] | None = None) -> None:
    """Write the three sets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    parser.add_argument("--corpus", type=Path, default=os.environ.get("TATOEBA_ES_EN"), help="folder of the corpus")
    parser.add_argument("--spoken", type=int, help="sentences of the training set that are heard (default: all)")
    parser.add_argument(
        "--text",
        type=Path,
        default=os.environ.get("TATOEBA_ES_EN_TEXT"),
        help="table of all sentences, for data/text (default: train.tsv)",
    )
    args = parser.parse_args(argv)
    if args.corpus is None:
        raise ConfigError(
            "the corpus is not given: TATOEBA_ES_EN=FOLDER ./run.sh, or --local_data_opts '--corpus FOLDER'"
        )
    for name in SETS:
        write_set(args.corpus / f"{name}.tsv", args.data_dir / name, args.spoken if name == "train" else None)
    if args.spoken:
        write_text(args.text or args.corpus / "train.tsv", args.data_dir / "text")


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
