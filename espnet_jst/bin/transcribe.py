"""Recordings in, transcript and translation out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_jst.bin.arguments import lane_values, run_main
from espnet_jst.config import CommandParser
from espnet_jst.errors import ConfigError, JSTError

FORMATS = ("txt", "json", "srt", "vtt", "ttml")


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(prog="espnet-jst transcribe", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="WAV, FLAC, OGG or MP3, one channel, 8 to 48 kHz")
    parser.add_argument("--model", required=True, help="packed zip, folder, or hub tag owner/name@revision")
    parser.add_argument("--format", choices=FORMATS, default="txt", help="txt: a line a lane (default)")
    parser.add_argument("--output_dir", help="write FILE's stem with the format's ending here, not to standard output")
    parser.add_argument("--stream", action="store_true", help="show the words as they appear, chunk by chunk")
    parser.add_argument("--realtime", action="store_true", help="with --stream: at the speed of speech")
    parser.add_argument("--chunk_s", type=float, help="chunk in seconds, 0: whole file; default: the model's own")
    parser.add_argument("--left_chunks", type=int, help="chunks of left context, -1: all; default: the model's own")
    parser.add_argument("--beam_size", type=int, help="hypotheses kept; 1: greedy; default: the pack's, or 1")
    parser.add_argument(
        "--blank_penalty",
        type=lane_values,
        help="taken off the blank's logit: more words; one number, or transcript=0,translation=1.5; default: the "
        "pack's, or 0",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser


def main(cmd: Sequence[str] | None = None) -> int:
    """Parse and run. Exit status: 0 all files done, 1 some could not be used or nothing worked."""
    args = get_parser().parse_args(cmd)
    return run_main(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    names = [Path(name).stem for name in args.files]
    if args.output_dir and len(set(names)) < len(names):
        raise ConfigError("two files have the same name and would overwrite each other in --output_dir: run them apart")
    good, failed = _read(args.files)
    if not good:
        return 1
    from espnet_jst.inference import Speech2Text

    given = {key: getattr(args, key) for key in ("beam_size", "blank_penalty", "chunk_s", "left_chunks")}
    given = {key: value for key, value in given.items() if value is not None}
    speech2text = Speech2Text.from_pretrained(args.model, device=args.device, **given)
    for name, samples, fs in good:
        try:
            _write(args, name, _decode(args, speech2text, name, samples, fs), several=len(args.files) > 1)
        except JSTError as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def _read(files: Sequence[str]) -> tuple[list[tuple[str, Any, int]], int]:
    """What can be read, and how many files cannot; each of those gets one message, before a model is loaded."""
    from espnet_jst.inference.audio import read_audio

    good, failed = [], 0
    for name in files:
        try:
            good.append((name, *read_audio(name)))
        except JSTError as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
    return good, failed


def _decode(args: argparse.Namespace, speech2text: Any, name: str, samples: Any, fs: int) -> list:
    if not args.stream:
        return speech2text(samples, fs)[0][3].words
    from espnet_jst.inference.live import show_stream

    # Standard output belongs to the document where one is asked for: it may be piped on.
    document = args.format != "txt" and not args.output_dir
    stream = sys.stderr if document else sys.stdout
    return show_stream(speech2text.session(fs), samples, title=name, realtime=args.realtime, stream=stream)


def _write(args: argparse.Namespace, name: str, words: list, *, several: bool) -> None:
    from espnet_jst.text.subtitles import format_words

    if args.stream and args.format == "txt" and not args.output_dir:
        return  # shown already
    text = format_words(words, args.format)
    if args.output_dir:
        path = Path(args.output_dir) / f"{Path(name).stem}.{args.format}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    if several and args.format == "txt":
        print(f"{name}:")
    print(text, end="")


if __name__ == "__main__":
    sys.exit(main())
