"""The beams of the frontend beam_bank as a picture, and what each of them keeps out, as a table.

espnet-jst beams --output_dir exp/beams
espnet-jst beams --config conf/train.yaml --output_dir exp/beams --hertz 500 2000
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser, read_yaml
from espnet_jst.errors import ConfigError

if TYPE_CHECKING:
    from espnet_jst.inputs.beams.conf import BeamBankConf

HERTZ = (250.0, 500.0, 1000.0, 2000.0, 4000.0)


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst beams", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", help="training configuration, or config.yaml of a model: its frontend_conf")
    parser.add_argument("--output_dir", required=True, type=Path, help="gets beams.png and beams.md")
    parser.add_argument(
        "--hertz", nargs="+", type=float, default=HERTZ, help="frequencies to draw, at most six (default: %(default)s)"
    )
    return parser


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.evaluation.pictures.figure import COLOURS
    from espnet_jst.inputs.beams.conf import BeamBankConf
    from espnet_jst.keys import read

    values = read_yaml(args.config) if args.config else {}
    if values.get("frontend", "beam_bank") != "beam_bank":
        raise ConfigError(f"{args.config}: frontend is {values['frontend']}, and only beam_bank has beams")
    conf = read(BeamBankConf, values.get("frontend_conf"), f"{args.config or 'beams'}: frontend_conf")
    if len(args.hertz) > len(COLOURS) or not all(0 <= hertz <= conf.fs / 2 for hertz in args.hertz):
        raise ConfigError(f"--hertz: give at most {len(COLOURS)} frequencies from 0 to {conf.fs / 2:g} Hz")
    print("written:", *_write(conf, args.hertz, args.output_dir))


def _write(conf: BeamBankConf, hertz: list[float], out: Path) -> list[Path]:
    import numpy as np

    from espnet_jst.data.simulation.geometry import coherence
    from espnet_jst.evaluation.pictures.beams import plot_beams
    from espnet_jst.inputs.beams.design import (
        beams_of,
        design,
        directivity,
        frequencies,
        pattern,
        white_noise_gain,
    )

    every, azimuths, places = frequencies(conf), np.arange(0.0, 360.0, 2.0), np.array(conf.microphones)
    bins = [int(np.argmin(np.abs(every - wanted))) for wanted in hertz]
    drawn, beams, weights = every[bins], beams_of(conf), design(conf)[:, bins]
    names = [f"{number}: {beam.name}" for number, beam in enumerate(beams)]
    patterns = dict(zip(names, pattern(weights, places, drawn, azimuths), strict=True))
    looks = {name: beam.azimuth_deg for name, beam in zip(names, beams, strict=True) if beam.azimuth_deg is not None}
    title = f"{conf.kind} beams of {len(places)} microphones ({conf.array}), plane waves"
    picture = plot_beams(patterns, azimuths, drawn.tolist(), out / "beams.png", title=title, looks_deg=looks)
    field = coherence(places / 1000, drawn)
    head = " | ".join(f"{frequency:g} Hz" for frequency in drawn)
    lines = [f"# {title}", "", "Against the first microphone in dB: diffuse field, white noise.", ""]
    lines += [f"| beam | {head} |", f"|---|{'---|' * len(drawn)}"]
    for name, beam in zip(names, weights, strict=True):
        gains = zip(10 * np.log10(directivity(beam, field)), 10 * np.log10(white_noise_gain(beam)), strict=True)
        lines.append(f"| {name} | {' | '.join(f'{diffuse:.1f}, {white:.1f}' for diffuse, white in gains)} |")
    table = out / "beams.md"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [picture, table]


main = program(get_parser, _run)
