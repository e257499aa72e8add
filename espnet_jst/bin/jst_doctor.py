"""Examine a data directory before training: what the stages would leave out or change, and how to repair it. Without a
directory, examine the installed packages.

Errors are utterances that stages 3-5 leave out of a training set; warnings are utterances that they use, but change or
doubt. The exit status is 0 without errors and 1 with errors.
"""

from __future__ import annotations

import argparse
import sys

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser
from espnet_jst.recipe.options import Options, add_options

OPTIONS = (
    "fs",
    "strict_fs",
    "audio_channels",
    "min_wav_duration",
    "max_wav_duration",
    "max_text_chars",
    "encoder_frame_s",
    "st_config",
)


def get_parser() -> argparse.ArgumentParser:
    """The flags; those that decide what is good are the recipe's."""
    parser = CommandParser(
        prog="espnet-jst doctor",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "directory", metavar="DIR", nargs="?", help="wav.scp, a text or two; segments, alignment, ... if there are"
    )
    parser.add_argument("--src_text", help="file name of the transcript; found where there are one or two text.*")
    parser.add_argument("--tgt_text", help="file name of the translation")
    parser.add_argument("--token_list", help="tokens.txt: find unknown characters, fit pieces instead of words")
    parser.add_argument("--bpemodel", help="SentencePiece model; default: bpe.model beside the token list")
    parser.add_argument("--src_token_list", help="token list of the transcript, where it has its own")
    parser.add_argument("--json", help="file for the full list, one problem a line")
    add_options(parser, (*OPTIONS, "nj"))
    return parser


def _data(args: argparse.Namespace) -> int:
    from espnet_jst.data.checks import ERROR, write_problems
    from espnet_jst.recipe.doctor import diagnose
    from espnet_jst.recipe.doctor_report import show_problems, summary
    from espnet_jst.recipe.options.known import completed
    from espnet_jst.text.tokenizer import find_tokenizer

    options = completed(Options.of(**{name: getattr(args, name) for name in OPTIONS})).data
    target = find_tokenizer(args.token_list, args.bpemodel)
    source = find_tokenizer(args.src_token_list, None) or target
    tokenizers = [tokenizer for tokenizer in (source, target) if tokenizer]
    found = diagnose(
        args.directory, options, nj=args.nj, src_text=args.src_text, tgt_text=args.tgt_text, tokenizers=tokenizers
    )
    guessed = "" if args.src_text or args.tgt_text else " (if that is wrong, give --src_text)"
    print(", ".join(f"{lane} {name}" for lane, name in found.texts.by_lane.items()) + guessed)
    show_problems(found.problems)
    if args.json:
        write_problems(args.json, found.problems)
    print(summary(found))
    return 1 if found.concerned(ERROR) else 0


def _packages() -> int:
    from espnet_jst.recipe import doctor_environment
    from espnet_jst.recipe.doctor_report import show_problems

    problems = doctor_environment.check_environment(doctor_environment.requirements())
    show_problems(problems)
    print(f"{len(problems)} of the packages that espnet_jst needs are missing or of a version that does not fit")
    return 1 if problems else 0


main = program(get_parser, lambda args: _data(args) if args.directory else _packages())

if __name__ == "__main__":
    sys.exit(main())
