"""The command line of a recipe: ESPnet's flags (egs2/TEMPLATE/st1), one for each option."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import Field
from typing import Any

from espnet_jst.config import CommandParser, truth
from espnet_jst.recipe.options.espnet_flags import add_foreign, sort_out
from espnet_jst.recipe.options.groups import Options, option_fields
from espnet_jst.recipe.options.known import completed


def make_parser() -> argparse.ArgumentParser:
    """A parser with one option for each field; `--stop-stage` is `--stop_stage`, `--force` is `--force true`."""
    parser = CommandParser(
        description="Run the stages of a recipe: 1 local data, 2 speed, 3 format audio, 4 remove bad items, 5 tokens "
        "and word alignment, 6-9 language model (none), 10 statistics, 11 train, 12 decode, 13 score, 14 pack, "
        "15-16 upload.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_options(parser)
    add_foreign(parser)
    return parser


def add_options(parser: argparse.ArgumentParser, names: Sequence[str] = ()) -> None:
    """Add the recipe's options of these names (all by default), for a program that does a part of its work."""
    for entry in option_fields():
        if not names or entry.name in names:
            _add(parser, entry)


def _add(parser: argparse.ArgumentParser, entry: Field) -> None:
    names = [f"--{entry.name}"] + ([f"--{entry.name.replace('_', '-')}"] if "_" in entry.name else [])
    about: dict[str, Any] = {"default": entry.default, "help": entry.metadata["help"], "dest": entry.name}
    if isinstance(entry.default, bool):
        parser.add_argument(*names, type=truth, nargs="?", const=True, metavar="true|false", **about)
    else:
        parser.add_argument(*names, type=type(entry.default), choices=entry.metadata["choices"] or None, **about)


def parse_options(argv: Sequence[str] | None = None) -> Options:
    """Options of a command line, completed by what the training configuration says.

    Raises:
        ConfigError: a flag of ESPnet's that is not used here asks for something else than what is done, or a flag
            contradicts the training configuration.
    """
    return parse_flags(argv)[0]


def parse_flags(argv: Sequence[str] | None = None) -> tuple[Options, list[str]]:
    """As `parse_options`, with a line for each reason why flags of ESPnet's are ignored."""
    values = vars(make_parser().parse_args(argv))
    ignored = sort_out(values)
    return completed(Options.of(**values)), ignored
