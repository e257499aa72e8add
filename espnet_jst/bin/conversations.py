"""Texts of conversations, from what each speaker says when: the words of all by time, a tag at each change.

espnet-jst simulate --data_dir data/single/train --output_dir data/train --num 1000
espnet-jst conversations --data_dir data/train --src_lang en --tgt_lang de
espnet-jst conversations --data_dir data/train --output_dir data/train_jitter --jitter_s 0.1 --src_lang en --tgt_lang de
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_type_hints

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser
from espnet_jst.errors import ConfigError


def get_parser() -> argparse.ArgumentParser:
    """The flags: those here, and one for each key of `ConversationsConf`."""
    from espnet_jst.data.conversations.conf import ConversationsConf
    from espnet_jst.keys import keys_of

    parser = CommandParser(
        prog="espnet-jst conversations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", required=True, type=Path, help="with turns.jsonl, as espnet-jst simulate writes")
    parser.add_argument("--output_dir", type=Path, help="another folder to write to; by default --data_dir")
    parser.add_argument(
        "--against", type=Path, help="other times of the single utterances, as word_times, to compare with"
    )
    parser.add_argument("--nj", type=int, default=1, help="workers of the aligner (default: %(default)s)")
    types = get_type_hints(ConversationsConf)
    for name, item in keys_of(ConversationsConf).items():
        known, default = item.metadata["key"], item.default
        parser.add_argument(
            f"--{name}",
            type=types[name] if types[name] in (str, int, float) else int,
            choices=tuple(known.limits.choices) if known.limits.choices else None,
            help=known.meaning + (f" (default: {default})" if default not in ("", None) else ""),
        )
    return parser


def _run(args: argparse.Namespace) -> None:
    if args.nj < 1:
        raise ConfigError(f"--nj {args.nj}: must be at least 1")
    from espnet_jst.data.conversations.conf import ConversationsConf
    from espnet_jst.data.conversations.write import write_conversations
    from espnet_jst.keys import keys_of, read

    given: dict[str, Any] = {name: getattr(args, name) for name in keys_of(ConversationsConf)}
    conf = read(ConversationsConf, {name: value for name, value in given.items() if value is not None}, "conversations")
    print(write_conversations(args.data_dir, args.output_dir or args.data_dir, conf, against=args.against, nj=args.nj))


main = program(get_parser, _run)
