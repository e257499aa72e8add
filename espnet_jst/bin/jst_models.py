"""The packed models that lie in the project's tree; `espnet-jst transcribe --model NAME` takes one by its name."""

from __future__ import annotations

import argparse
from pathlib import Path

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(prog="espnet-jst models", description=__doc__)
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="these alone, with everything that was measured of them"
    )
    return parser


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.errors import ConfigError
    from espnet_jst.hub.shelf import packs

    found = packs()
    if unknown := [name for name in args.names if name not in found]:
        raise ConfigError(f"{', '.join(unknown)}: no such pack in this tree; there are: {', '.join(found) or 'none'}")
    if not found:
        print("No packs in this tree: tools/demo trains one, and --model takes its zip.")
    for name in args.names or found:
        print(_entry(name, found[name], whole=bool(args.names)))


def _entry(name: str, path: Path, whole: bool) -> str:
    from espnet_jst.evaluation.measured import read_measured
    from espnet_jst.hub.about import said_of
    from espnet_jst.hub.load import find_config

    about, _, results = said_of(find_config(path))
    languages = " -> ".join(about.languages) or "languages not said"
    lines = [
        f"{name}: {languages}, {path.stat().st_size / 1e6:.1f} MB, {about.license or 'no licence said'}",
        f"  {path}",
    ]
    if about.dataset:
        lines.append(
            f"  trained on {about.dataset}"
            + "".join(f", from {base.name} ({base.license or 'no licence said'})" for base in about.chain)
        )
    measured = read_measured(results)
    # The first set of each lane says what to expect, of a stream where one was measured.
    streams_last = sorted(reversed(measured), key=lambda entry: entry.dataset.startswith("streaming/"))
    shown = measured if whole else list({entry.lane: entry for entry in streams_last}.values())[::-1]
    lines += [
        f"  {entry.lane}, {entry.dataset}: {entry.metric} {entry.score}, {entry.laal} ms behind" for entry in shown
    ]
    return "\n".join(lines)


main = program(get_parser, _run)

if __name__ == "__main__":
    raise SystemExit(main())
