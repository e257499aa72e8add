"""Recordings in, transcript and translation out.

A FILE is what libsndfile reads (WAV, FLAC, OGG, MP3 ...), with ffmpeg on the path also M4A, WebM and the like; several
channels are mixed down, unless the model takes several. It may be a folder (the audio files in it), a pipe, or - for
standard input. WAV and samples without a header (--raw_fs) are decoded as a pipe brings them: with --stream, words
appear while it goes on.
Several files give one document: text under each file's name, JSON Lines (an object a file), or one file of subtitles in
which the recordings follow each other. Exit status: 0 all files done, 1 some could not be used or nothing worked.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from espnet_jst.bin.arguments import MODEL_HELP, encoder_values, lane_values, run_main
from espnet_jst.bin.audio_arguments import MICROPHONE, Input, check_outputs, find_inputs
from espnet_jst.config import CommandParser
from espnet_jst.data.kaldi import printable
from espnet_jst.errors import ConfigError, DataError, JSTError
from espnet_jst.text.subtitles import FORMATS


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(prog="espnet-jst transcribe", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="audio file, folder, pipe, or -: standard input")
    parser.add_argument(
        "--mic", nargs="?", const="", metavar="DEVICE", help="hear a microphone, until Ctrl-C; needs sounddevice"
    )
    parser.add_argument("--model", required=True, help=MODEL_HELP)
    parser.add_argument("--format", choices=FORMATS, default="txt", help="txt: a line a lane (default)")
    parser.add_argument(
        "--output_dir", help="a document a file, FILE's stem with the format's ending, here, not one on standard output"
    )
    parser.add_argument("--stream", action="store_true", help="show the words as they appear, chunk by chunk")
    parser.add_argument(
        "--raw_fs",
        type=int,
        help="pipes and standard input hold 16-bit samples at this rate, no header; channels take turns",
    )
    parser.add_argument("--realtime", action="store_true", help="as --stream, at the speed of speech")
    parser.add_argument("--chunk_s", type=float, help="chunk in seconds, 0: whole file; default: the model's own")
    parser.add_argument(
        "--left_chunks",
        type=encoder_values,
        metavar="N|ENCODER=N,...",
        help="chunks of left context of the first encoder, -1: all, or of each; default: the model's own",
    )
    parser.add_argument("--look_ahead_s", type=float, help="look-ahead of overlapping blocks; default: the model's own")
    parser.add_argument("--beam_size", type=int, help="hypotheses kept; 1: greedy; default: the pack's, or 1")
    parser.add_argument(
        "--blank_penalty",
        type=lane_values,
        help="taken off the blank's logit: more words; one number, or transcript=0,translation=1.5; default: the "
        "pack's, or 0",
    )
    parser.add_argument(
        "--revise", action="store_true", default=None, help="a second pass replaces the words that a stream has shown"
    )
    parser.add_argument("--mt_model", help="a cascade: pack, folder or tag of a model that translates the transcript")
    parser.add_argument("--tgt_lang", help="language to translate into, of a model that has several")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser


def main(cmd: Sequence[str] | None = None) -> int:
    """Parse and run. Exit status: 0 all files done, 1 some could not be used or nothing worked."""
    args = get_parser().parse_args(cmd)
    return run_main(lambda: _Transcription(args).run())


class _Transcription:
    """One run of the command; whatever is wrong with one file is said, and the others go on."""

    def __init__(self, args: argparse.Namespace) -> None:
        from espnet_jst.inference.remarks import Once

        self.args, self.said = args, Once()
        self.streams = args.stream or args.realtime or args.mic is not None
        self.failed: list[str] = []

    def run(self) -> int:
        """Everything that can be known is checked before the model is loaded, the headers of the files included."""
        args = self.args
        if sys.stdout is None and not args.output_dir:
            raise JSTError("standard output is closed; give --output_dir")
        if bool(args.files) == (args.mic is not None):
            raise ConfigError("give files, or --mic; --mic=DEVICE where a file stands behind it")
        inputs = find_inputs(args.files) if args.files else [Input(MICROPHONE, Path("microphone"))]
        check_outputs(inputs, args.output_dir, args.format)
        self._check_options()
        good = [item for item in inputs if self._has_header(item)]
        if good:
            _prefer_utf8(document=bool(args.format != "txt"))
            self._transcribe(good, several=len(inputs) > 1)
        self.said.summarize()
        if self.failed and len(inputs) > 1:
            print(f"failed: {len(self.failed)} of {len(inputs)} files: {', '.join(self.failed)}", file=sys.stderr)
        return 1 if self.failed else 0

    def _check_options(self) -> None:
        from espnet_jst.inference.audio.resample import MAX_FS, MIN_FS

        args = self.args
        options = (
            *("beam_size", "blank_penalty", "chunk_s", "left_chunks", "look_ahead_s", "tgt_lang", "mt_model", "revise"),
        )
        self.given = {key: getattr(args, key) for key in options}
        self.given = {key: value for key, value in self.given.items() if value is not None}
        if args.raw_fs is not None and not MIN_FS <= args.raw_fs <= MAX_FS:
            raise ConfigError(f"--raw_fs {args.raw_fs}: a rate in Hz, {MIN_FS}-{MAX_FS}")
        if args.device != "cpu":
            from espnet_jst.inference.device import check_device

            check_device(args.device)
        if self.given:
            from espnet_jst.inference.options import DecodingOptions

            DecodingOptions.parse(self.given)

    def _has_header(self, item: Input) -> bool:
        from espnet_jst.inference.audio.foreign import check_header

        try:
            if item.problem:
                raise DataError(f"{item.name}: {item.problem}")
            if item.source != MICROPHONE:
                check_header(item.source)
            return True
        except Exception as error:
            self._fail(item, error)
            return False

    def _transcribe(self, inputs: Sequence[Input], *, several: bool) -> None:
        from espnet_jst.inference import Speech2Text
        from espnet_jst.inference.documents import Document

        args = self.args
        speech2text = Speech2Text.from_pretrained(args.model, device=args.device, **self.given)
        document = partial(Document, fmt=args.format, lanes=list(speech2text.lanes), languages=speech2text.languages)
        shown = self.streams and args.format == "txt" and not args.output_dir  # word by word, which is all there is
        common = document(sys.stdout, several=several)
        for item, words, duration_s in self._decoded(speech2text, inputs):
            if not words:
                print(f"{printable(item.name)}: no words were recognised", file=sys.stderr)
            if args.output_dir:
                self._write_file(item, document, words, duration_s)
            elif not shown:
                common.add(item.name, words, duration_s)
        if not args.output_dir and not shown:
            common.close()

    def _decoded(self, speech2text: Any, inputs: Sequence[Input]) -> Iterator[tuple[Input, list, float]]:
        for item in inputs:
            try:
                words, duration_s = self._decode(speech2text, item)
            except BrokenPipeError:
                raise
            except Exception as error:
                self._fail(item, error)
            else:
                yield item, words, duration_s

    def _decode(self, speech2text: Any, item: Input) -> tuple[list, float]:
        if item.source != MICROPHONE:
            return self._heard(speech2text, item, item.source, self.args.raw_fs)
        from espnet_jst.inference.audio.microphone import open_microphone

        if speech2text.channels > 1:
            raise ConfigError(f"--mic: the model takes {speech2text.channels} channels")
        with open_microphone(self.args.mic) as microphone:
            print("listening; Ctrl-C ends it", file=sys.stderr)
            return self._heard(speech2text, item, microphone, microphone.fs)

    def _heard(self, speech2text: Any, item: Input, source: Any, raw_fs: int | None) -> tuple[list, float]:
        from espnet_jst.inference.audio.recording import Recording

        with Recording(
            source, name=item.name, notify=self.said, raw_fs=raw_fs, channels=speech2text.channels
        ) as recording:
            if not self.streams:
                hyp = speech2text.decode_recording(recording)[0][3]
                return hyp.words, hyp.duration_s
            from espnet_jst.inference.live import show_stream

            # Standard output belongs to the document where one is asked for: it may be piped on.
            document = self.args.format != "txt" and not self.args.output_dir
            session = speech2text.session(recording.fs)
            words = show_stream(
                session,
                recording.blocks(),
                title=printable(item.name),
                realtime=self.args.realtime,
                stream=sys.stderr if document else sys.stdout,
            )
            return words, session.duration_s

    def _write_file(self, item: Input, document: Callable[[TextIO], Any], words: list, duration_s: float) -> None:
        try:
            path = item.output(self.args.output_dir, self.args.format)
            # A file's name may hold what UTF-8 has no bytes for; in JSON the escape stands for it.
            with path.open("w", encoding="utf-8", errors="backslashreplace") as stream:
                written = document(stream)
                written.add(item.name, words, duration_s)
                written.close()
        except (OSError, JSTError) as error:
            self._fail(item, error)

    def _fail(self, item: Input, error: Exception) -> None:
        from espnet_jst.inference.remarks import item_error

        reason = str(error) if isinstance(error, JSTError) else item_error(error)
        message = reason if item.name in reason else f"{item.name}: {reason}"
        print(f"error: {printable(message)}", file=sys.stderr)
        self.failed.append(printable(item.name))


def _prefer_utf8(*, document: bool) -> None:
    """Documents and what is piped on are UTF-8 in any locale; a terminal that lacks a character gets its code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        terminal = sys.stdout.isatty() and not document
        sys.stdout.reconfigure(encoding=sys.stdout.encoding if terminal else "utf-8", errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
