"""A released Zipformer or HENT-SRT checkpoint of icefall into a packed model, with a report on every weight."""

from __future__ import annotations

import argparse

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        description=__doc__,
        epilog="Example: espnet-jst import-icefall epoch-20.pt --average --sizes hent_srt.json --bpe_src asr_bpe.model "
        "--bpe_tgt st_bpe.model --out hent_srt.zip",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="safetensors, pretrained.pt or epoch-N.pt")
    parser.add_argument("--sizes", required=True, metavar="FILE", help="JSON of what the weights do not show")
    parser.add_argument("--bpe_src", required=True, metavar="MODEL", help="SentencePiece model of the transcript")
    parser.add_argument("--bpe_tgt", metavar="MODEL", help="that of the translation, of a model that has one")
    parser.add_argument(
        "--out", required=True, metavar="ZIP", help="the pack to write; the report is written beside it"
    )
    parser.add_argument("--average", action="store_true", help="the running mean of the weights (model_avg)")
    parser.add_argument(
        "--wav", metavar="FILE", help="recording that the pack must decode (default: a second of noise)"
    )
    group = parser.add_argument_group("model card")
    group.add_argument("--name", default="imported Zipformer", help="title (default: %(default)s)")
    group.add_argument("--languages", nargs="+", default=[], metavar="CODE", help="spoken language, then the others")
    group.add_argument("--dataset", default="", help="name of the training data")
    group.add_argument("--license", default="", help="licence of the weights, such as apache-2.0")
    return parser


def _run(args: argparse.Namespace) -> None:
    from espnet_jst.hub.card import CardInfo
    from espnet_jst.hub.icefall.importing import import_checkpoint

    made = import_checkpoint(
        args.checkpoint,
        args.out,
        sizes=args.sizes,
        bpe_src=args.bpe_src,
        bpe_tgt=args.bpe_tgt,
        averaged=args.average,
        wav=args.wav,
        card=CardInfo(name=args.name, languages=args.languages, dataset=args.dataset, license=args.license),
    )
    print(made.report.text())
    for lane, words in made.words.items() if args.wav else ():
        print(f"{lane}: {words}")
    print(f"{args.out}: loaded from an empty folder, it decoded; its weights: {made.report_file}")


main = program(get_parser, _run)

if __name__ == "__main__":
    raise SystemExit(main())
