"""Pack a trained model into one zip, which is loaded again and must decode a recording before it is called done."""

from __future__ import annotations

import argparse

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        description=__doc__,
        epilog="Example: espnet-jst pack --exp exp/st_train --output st_train.zip --wav data/test/audio/one.wav",
    )
    parser.add_argument("--exp", required=True, metavar="DIR", help="experiment folder with config.yaml and weights")
    parser.add_argument("--output", required=True, metavar="ZIP", help="the zip to write")
    check = parser.add_mutually_exclusive_group(required=True)
    check.add_argument("--wav", metavar="FILE", help="recording that the finished pack must decode")
    check.add_argument("--skip_check", action="store_true", help="do not load the pack again")
    group = parser.add_argument_group("content")
    group.add_argument(
        "--weights",
        default="fp32",
        choices=("fp32", "fp16", "int8"),
        help="how they are stored; read they are float32. Of int8 ESPnet's own tools can read nothing (default: fp32)",
    )
    group.add_argument("--model", metavar="FILE", help="weights (default: the average of the best epochs)")
    group.add_argument("--results", metavar="FILE", help="RESULTS.md (default: the experiment's)")
    group.add_argument("--data_license", metavar="FILE", help="licence and source of the training data")
    group.add_argument("--inference_config", metavar="FILE", help="decoding configuration: the pack decodes with it")
    group.add_argument("--option", metavar="FILE", action="append", default=[], help="a further file; may be repeated")
    group = parser.add_argument_group("model card")
    group.add_argument("--name", default="espnet_jst model", help="title (default: %(default)s)")
    group.add_argument("--languages", nargs="+", default=[], metavar="CODE", help="spoken language, then the others")
    group.add_argument("--dataset", default="", help="name of the training data")
    group.add_argument("--license", default="", help="licence of the weights, such as cc-by-sa-4.0")
    group.add_argument("--command", default="", help="how the model was trained")
    return parser


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.hub.card import CardInfo
    from espnet_jst.hub.pack import pack

    card = CardInfo(
        name=args.name, languages=args.languages, dataset=args.dataset, license=args.license, command=args.command
    )
    output = pack(
        args.exp,
        args.output,
        wav=args.wav,
        model=args.model,
        results=args.results,
        data_license=args.data_license,
        card=card,
        decoding=args.inference_config,
        kind=args.weights,
        options=args.option,
    )
    checked = "not checked" if args.skip_check else f"loaded from an empty folder, it decoded {args.wav}"
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {checked}")


main = program(get_parser, _run)

if __name__ == "__main__":
    raise SystemExit(main())
