"""Conversations at an array of microphones, simulated from single utterances: rooms, places, turns, noise.

espnet-jst simulate --data_dir data/train --output_dir data/train_glasses --num 1000 --nj 8
espnet-jst simulate --data_dir data/test --output_dir data/test_20 --num 200 --overlap 0.2 --snr_db 20 --speakers 2
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser, read_yaml
from espnet_jst.errors import ConfigError

RANGES: dict[str, Callable[[str], float]] = {"overlap": float, "snr_db": float, "rt60_s": float, "speakers": int}


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst simulate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", required=True, type=Path, help="wav.scp, utt2spk, texts: an utterance a speaker")
    parser.add_argument("--output_dir", required=True, type=Path, help="data directory of the conversations")
    parser.add_argument("--config", help="YAML file with the keys of docs/simulation.md")
    parser.add_argument("--num", required=True, type=int, help="conversations; a second run with more adds to them")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: %(default)s)")
    parser.add_argument("--nj", type=int, default=1, help="workers (default: %(default)s)")
    parser.add_argument("--prefix", default="", help="of the conversations' keys, such as test_; sets should differ")
    for name, what in (
        ("overlap", "share of the time with speech in which two speak, 0.2 or 0,0.4"),
        ("snr_db", "speech against noise in dB, 20 or 10,25"),
        ("rt60_s", "reverberation time in s, 0.3 or 0.2,0.5"),
        ("speakers", "talkers, the wearer among them, 2 or 2,4"),
    ):
        parser.add_argument(f"--{name}", type=_range(RANGES[name]), help=f"{what}; goes before --config")
    return parser


def _range(number: Callable[[str], float]) -> Callable[[str], list[float]]:
    def values(text: str) -> list[float]:
        try:
            found = [number(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor two, as 2,4") from None
        if len(found) > 2:
            raise argparse.ArgumentTypeError(f"{text!r}: give one number, or the smallest and the largest")
        return [found[0], found[-1]]

    return values


def _run(args: argparse.Namespace) -> None:
    for name, low in (("num", 1), ("nj", 1), ("seed", 0)):
        if getattr(args, name) < low:
            raise ConfigError(f"--{name} {getattr(args, name)}: must be at least {low}")
    from espnet_jst.data.simulation.conf import SimulationConf
    from espnet_jst.data.simulation.simulate import simulate
    from espnet_jst.keys import read

    values: dict[str, Any] = read_yaml(args.config) if args.config else {}
    values |= {name: given for name in RANGES if (given := getattr(args, name)) is not None}
    conf = read(SimulationConf, values, args.config or "simulate")
    kept = {key: getattr(args, key) for key in ("num", "seed", "nj", "prefix")}
    print(simulate(args.data_dir, args.output_dir, conf, **kept))


main = program(get_parser, _run)
