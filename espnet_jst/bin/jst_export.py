"""Export a trained model that hears speech in chunks, for runtimes other than PyTorch.

espnet-jst export --to onnx model.zip model_onnx
espnet-jst transcribe --model model_onnx speech.wav
espnet-jst export --to sherpa-onnx model.zip model_sherpa
"""

from __future__ import annotations

import argparse

from espnet_jst.bin.arguments import MODEL_HELP, encoder_values, program
from espnet_jst.config import CommandParser


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        prog="espnet-jst export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", required=True, choices=("onnx", "sherpa-onnx"), help="the runtime")
    parser.add_argument("pack", help=MODEL_HELP)
    parser.add_argument("output", help="folder to write; new or empty")
    parser.add_argument("--weights", default="fp32", choices=("fp32", "int8"), help="int8: the encoders' matrices")
    parser.add_argument("--chunk_s", type=float, help="chunk in seconds; default: what the pack decodes with")
    parser.add_argument(
        "--left_chunks", type=encoder_values, metavar="N|ENCODER=N,...", help="chunks of left context, likewise"
    )
    return parser


def _run(args: argparse.Namespace) -> None:
    given = {"weights": args.weights, "chunk_s": args.chunk_s, "left_chunks": args.left_chunks}
    if args.to == "onnx":
        from espnet_jst.export.onnx_folder import export_onnx

        folders = [export_onnx(args.pack, args.output, **given)]
        use = f"espnet-jst transcribe --model {args.output} runs it"
    else:
        from espnet_jst.export.sherpa_folder import export_sherpa

        folders = export_sherpa(args.pack, args.output, **given)
        use = "docs/sherpa.md has a client"
    for folder in folders:
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        print(f"{folder}: {size:.1f} MB; {use}")


main = program(get_parser, _run)

if __name__ == "__main__":
    raise SystemExit(main())
