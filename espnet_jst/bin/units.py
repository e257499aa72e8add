"""Discrete units of speech: learnt from recordings by k-means, read from recordings, taken over from asr2.sh.

espnet-jst units learn --wav_scp dump/raw/train/wav.scp --kmeans_feature models/wavlm-large/21 --output_dir exp/kmeans
espnet-jst units extract --units exp/kmeans/units.safetensors --wav_scp dump/raw/test/wav.scp --output_dir out
espnet-jst units quality --units_file out/units --labels phones.ctm
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser
from espnet_jst.errors import ConfigError, DataError


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst units", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="learn, extract, import or quality")
    learn = commands.add_parser("learn", help="cluster the frames of recordings")
    _features(learn)
    learn.add_argument("--nclusters", type=int, default=2000, help="number of units (default: %(default)s)")
    learn.add_argument("--init", default="random", help="first centroids: random, or k-means++ (default: %(default)s)")
    learn.add_argument("--iterations", type=int, default=20, help="passes at most (default: %(default)s)")
    learn.add_argument("--max_frames", type=int, default=500_000, help="frames, drawn over all recordings")
    learn.add_argument("--seed", type=int, default=0, help="of what is drawn (default: %(default)s)")
    extract = commands.add_parser("extract", help="recordings as units")
    extract.add_argument("--units", required=True, help="file of a unit set")
    taken = commands.add_parser("import", help="a unit set from the centroids of ESPnet's asr2.sh, or of an array")
    _features(taken, audio=False)
    taken.add_argument("--centroids", required=True, help="km_<K>.mdl of asr2.sh, or .npy, (K, D)")
    taken.add_argument(
        "--allow_pickle", action="store_true", help="read a .mdl, which can execute code: only one of your own"
    )
    _quality_flags(commands.add_parser("quality", help="use, bits a second, and what units know of phones"))
    for command in (learn, extract):
        command.add_argument("--wav_scp", required=True, help="recordings, a line an utterance: key, file")
        command.add_argument("--nj", type=int, default=1, help="workers (default: %(default)s)")
        command.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    for command, what in (
        (learn, "gets units.safetensors, kmeans.json, skipped.jsonl"),
        (extract, "gets units, units.json, skipped.jsonl"),
        (taken, "gets units.safetensors"),
    ):
        command.add_argument("--output_dir", required=True, type=Path, help=what)
    return parser


def _features(parser: argparse.ArgumentParser, *, audio: bool = True) -> None:
    parser.add_argument(
        "--kmeans_feature",
        required=True,
        help="log_mel, or MODEL/LAYER: a folder that transformers saved, a name on the hub or an original checkpoint, "
        "and the layer; or s3prl:NAME/LAYER, an upstream of S3PRL",
    )
    parser.add_argument("--fs", type=int, default=16_000, help="sampling rate of log_mel in Hz (default: %(default)s)")


def _quality_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--units_file", required=True, help="units, as extract writes them: key, a unit a frame")
    parser.add_argument(
        "--labels",
        help="phones: a CTM (utterance channel start duration label), or Kaldi text with a label a frame; a frame has "
        "the label in its middle, frames and utterances without one are left out and counted",
    )
    parser.add_argument(
        "--label_format", default="auto", help="ctm or text; auto (default): a CTM where the name ends in .ctm"
    )
    parser.add_argument("--hop_s", type=float, default=0.02, help="seconds of a unit (default: %(default)s)")
    parser.add_argument("--label_hop_s", type=float, help="seconds of a label of Kaldi text (default: as of a unit)")
    parser.add_argument("--json", type=Path, help="file for all of it, with every utterance that was left out")


def _run(args: argparse.Namespace) -> None:
    {"learn": _learn, "extract": _extract, "import": _import, "quality": _quality}[args.command](args)


def _learn(args: argparse.Namespace) -> None:
    from espnet_jst.inference.recordings import hours_of
    from espnet_jst.inference.units import learn_units
    from espnet_jst.inputs.unit_features import parse_features
    from espnet_jst.keys import read
    from espnet_jst.units.conf import KMeansConf

    values: Mapping[str, object] = {
        "clusters": args.nclusters,
        "init": args.init,
        "iterations": args.iterations,
        "max_frames": args.max_frames,
        "seed": args.seed,
    }
    conf, items = read(KMeansConf, values, "units learn"), _items(args)
    features = parse_features(args.kmeans_feature, args.fs)
    units = learn_units(items, features, conf, args.output_dir, hours=hours_of(items), nj=args.nj, device=args.device)
    print(f"{units.clusters} units in {args.output_dir / 'units.safetensors'} ({units.digest})")


def _extract(args: argparse.Namespace) -> None:
    from espnet_jst.inference.units import extract_units

    items = _items(args)
    table = extract_units(items, Path(args.units), args.output_dir, nj=args.nj, device=args.device)
    print(f"units of {len(table)} of {len(items)} recordings in {args.output_dir / 'units'}")


def _import(args: argparse.Namespace) -> None:
    import torch

    from espnet_jst.inputs.unit_features import UnitFeatures, parse_features, unit_set

    centroids = torch.from_numpy(_centroids(args.centroids, args.allow_pickle)).float()
    features = UnitFeatures(parse_features(args.kmeans_feature, args.fs), trusted=True)
    size = features.frontend.output_size()
    if centroids.dim() != 2 or centroids.size(1) != size:
        raise ConfigError(f"{args.centroids} has the shape {tuple(centroids.shape)}: {size} features are needed")
    unit_set(features, centroids).save(args.output_dir / "units.safetensors")
    print(f"{len(centroids)} units in {args.output_dir / 'units.safetensors'}")


def _quality(args: argparse.Namespace) -> None:
    from rich.console import Console

    from espnet_jst.config import check_choice, json_text
    from espnet_jst.data.frame_labels import FORMATS
    from espnet_jst.evaluation.unit_quality import quality_table, remarks, unit_quality

    check_choice(args.label_format, FORMATS, "--label_format")
    for name in ("hop_s", "label_hop_s"):
        value = getattr(args, name)
        if value is not None and not 0.001 <= value <= 10:
            raise ConfigError(f"--{name} {value:g}: seconds, from 0.001 to 10")
    found = unit_quality(
        args.units_file, args.labels, hop_s=args.hop_s, label_hop_s=args.label_hop_s, layout=args.label_format
    )
    # A file or a pipe has no width; the table is not to be broken for that.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(quality_table(found))
    for line in remarks(found):
        print(line)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json_text(found, indent=1) + "\n", encoding="utf-8")


def _centroids(path: str, allow_pickle: bool):
    import numpy as np

    if not Path(path).is_file():
        raise ConfigError(f"--centroids {path}: there is no such file")
    if path.endswith(".npy"):
        try:
            return np.load(path, allow_pickle=False)
        except ValueError as error:
            raise ConfigError(f"--centroids {path}: no array of numbers ({error})") from error
    if not allow_pickle:
        raise ConfigError(f"--centroids {path}: reading it may execute code; --allow_pickle for a file of your own")
    import joblib

    return np.asarray(joblib.load(path).cluster_centers_)


def _items(args: argparse.Namespace) -> Sequence[tuple[str, str]]:
    from espnet_jst.data.kaldi import read_table

    if args.nj < 1:
        raise ConfigError(f"--nj {args.nj}: must be at least 1")
    items = list(read_table(args.wav_scp).items())
    if not items:
        raise DataError(f"{args.wav_scp}: holds no utterance")
    return items


main = program(get_parser, _run)
