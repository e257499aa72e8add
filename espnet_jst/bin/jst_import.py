"""A data directory from what you have: a table of recordings and texts (tsv), a data set of the hub saved on disk (hf),
cuts of Lhotse (lhotse), or Common Voice with CoVoST 2 (commonvoice); then the doctor looks at it."""

from __future__ import annotations

import argparse
from pathlib import Path

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser
from espnet_jst.errors import ConfigError

KINDS = ("tsv", "hf", "lhotse", "commonvoice")
COLUMNS = ("audio", "transcript", "translation", "speaker", "id", "start", "end")


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst import",
        description=__doc__,
        epilog="Examples: espnet-jst import tsv validated.tsv --audio_dir clips --src_lang es --tgt_lang en --data_dir "
        "data/train. espnet-jst import lhotse cuts.jsonl.gz --translation translated_text.es --src_lang en "
        "--tgt_lang es --data_dir data/train. espnet-jst import commonvoice cv-corpus --covost covost --set train "
        "--src_lang en --tgt_lang de --data_dir data/train.",
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("source", type=Path, help="the table, the manifest, or the folder")
    parser.add_argument("--data_dir", type=Path, required=True, help="data directory to write")
    parser.add_argument("--src_lang", required=True, help="code of the language that is spoken")
    parser.add_argument("--tgt_lang", help="code of the language of the translations; none where there are none")
    parser.add_argument(
        "--case", choices=("tc", "lc.rm"), default="tc", help="texts as written, or lower case without punctuation"
    )
    parser.add_argument(
        "--audio_dir", type=Path, help="what paths of recordings are relative to (default: the table's folder)"
    )
    group = parser.add_argument_group("columns, where their names are not the usual ones")
    for name in COLUMNS:
        group.add_argument(f"--{name}", metavar="COLUMN")
    group = parser.add_argument_group("parts")
    group.add_argument("--split", help="hf: of several splits, which one")
    group.add_argument("--covost", type=Path, help="commonvoice: folder of CoVoST 2's tables")
    group.add_argument("--set", choices=("train", "dev", "test"), help="commonvoice: which set")
    group.add_argument("--skip_doctor", action="store_true", help="do not examine it")
    return parser


def _run(args: argparse.Namespace) -> int | None:
    from espnet_jst.data.corpora.turns import write_set

    given = {name: getattr(args, name) for name in COLUMNS}
    cases = (args.case, args.case)
    if args.kind == "tsv":
        from espnet_jst.data.corpora.tables import read_table

        reading = read_table(args.source, given, audio_dir=args.audio_dir, cases=cases)
    elif args.kind == "lhotse":
        from espnet_jst.data.corpora.tables import read_cuts

        reading = read_cuts(args.source, given, audio_dir=args.audio_dir, cases=cases)
    elif args.kind == "hf":
        from espnet_jst.data.corpora.hub_dataset import read_dataset

        reading = read_dataset(args.source, given, split=args.split, out=args.data_dir / "audio", cases=cases)
    else:
        from espnet_jst.data.corpora import covost2

        if args.covost is None or args.set is None or args.tgt_lang is None:
            raise ConfigError("commonvoice: give --covost, the folder of CoVoST 2's tables, --set and --tgt_lang")
        reading = covost2.read_set(args.source, args.covost, args.src_lang, args.tgt_lang, args.set)
        cases = covost2.CASES
    translated = any(turn.translations for turn in reading.turns)
    if translated != (args.tgt_lang is not None) and reading.turns:
        fix = "give --tgt_lang" if translated else "leave --tgt_lang out, or name the column by --translation"
        raise ConfigError(f"{args.source} has {'' if translated else 'no '}translations: {fix}")
    write_set(args.data_dir, [reading], src=args.src_lang, tgt=args.tgt_lang, cases=cases)
    if args.skip_doctor:
        return None
    from espnet_jst.bin import jst_doctor

    return jst_doctor.main([str(args.data_dir)])


main = program(get_parser, _run)

if __name__ == "__main__":
    raise SystemExit(main())
