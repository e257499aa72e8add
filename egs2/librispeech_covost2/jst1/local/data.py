"""Stage 1: English of CoVoST 2 with its translations, and LibriSpeech beside it, with the user's translations or none.

The folders are LIBRISPEECH, and COMMON_VOICE and COVOST2 as the CoVoST 2 recipes have them. LIBRISPEECH_TRANSLATIONS is
a table, `utterance translation` a line, and LIBRISPEECH_COVOST2_TGT the target language.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from espnet_jst.data.audio_file import inspect
from espnet_jst.data.corpora import covost2, librispeech
from espnet_jst.data.corpora.folders import add_folders, given
from espnet_jst.data.corpora.turns import Reading, write_set
from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.errors import ConfigError, JSTError

FOLDERS = (*librispeech.FOLDERS, *covost2.FOLDERS)
ALONE = "transcripts"


def translated(readings: Sequence[Reading], table: Path) -> list[Reading]:
    """LibriSpeech's utterances that have a translation.

    Raises:
        ConfigError: the table is not there, or names none of them.
    """
    if not table.is_file():
        raise ConfigError(f"there is no table of translations {table}")
    lines = read_table(table)
    found = [
        replace(
            reading,
            turns=[
                replace(turn, translations=(" ".join(lines[turn.utt_id].split()),))
                for turn in reading.turns
                if turn.utt_id in lines
            ],
        )
        for reading in readings
    ]
    there, all_there = (sum(len(reading.turns) for reading in some) for some in (found, readings))
    if not there:
        raise ConfigError(f"{table} names none of the {all_there} training utterances of LibriSpeech")
    print(f"{there} of {all_there} training utterances of LibriSpeech are translated in {table}", file=sys.stderr)
    return found


def write_alone(out: Path, readings: Sequence[Reading]) -> None:
    """Transcripts without translations, and the lengths that batches go by: training reads the files as they are."""
    write_set(out, readings, src="en", tgt=None, cases=covost2.CASES)
    samples = {key: inspect(path).samples for key, path in read_table(out / "wav.scp").items()}
    write_table(out / "utt2num_samples", samples)


def main(argv: list[str] | None = None) -> None:
    """Write train, dev and test, and where there are no translations LibriSpeech's transcripts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data"), help="where the sets are written")
    add_folders(parser, FOLDERS)
    parser.add_argument("--tgt", default=os.environ.get("LIBRISPEECH_COVOST2_TGT", "de"), help="target language")
    parser.add_argument("--parts", nargs="+", default=(), help="of LibriSpeech's training; default: all that are there")
    parser.add_argument(
        "--translations",
        type=Path,
        default=os.environ.get("LIBRISPEECH_TRANSLATIONS") or None,
        help="table of translations of LibriSpeech's transcripts (default: none)",
    )
    args = parser.parse_args(argv)
    covost2.check_direction("en", args.tgt)
    corpus, voices, tables = given(args, FOLDERS)
    books = dict(librispeech.read(corpus, args.parts))["train"]
    for name in covost2.SETS:
        readings = [covost2.read_set(voices, tables, "en", args.tgt, name)]
        if name == "train" and args.translations:
            readings += translated(books, args.translations)
        write_set(args.data_dir / name, readings, src="en", tgt=args.tgt, cases=covost2.CASES)
    if not args.translations:
        write_alone(args.data_dir / ALONE, books)


if __name__ == "__main__":
    try:
        main()
    except JSTError as error:
        sys.exit(f"error: {error}")
