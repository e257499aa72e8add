"""A server of live sessions and of recordings: one model, many clients, words that are never taken back.

espnet-jst serve --model model.zip
curl --data-binary @talk.wav 'http://127.0.0.1:8000/v1/recordings?format=srt'

A browser gets a page at http://127.0.0.1:8000. Clients of others: OpenAI's realtime translation at
/v1/realtime/translations, simulstream at /, WhisperLiveKit at /asr. There are /health and /metrics. docs/serving.md
describes them.
"""

from __future__ import annotations

import argparse
import os

from espnet_jst.bin.arguments import MODEL_HELP, encoder_values, lane_values, program
from espnet_jst.config import CommandParser
from espnet_jst.errors import JSTError

TOKEN = "JST_SERVE_TOKEN"
DECODING = ("chunk_s", "left_chunks", "look_ahead_s", "beam_size", "blank_penalty", "mt_model", "tgt_lang")


def get_parser() -> argparse.ArgumentParser:
    """The flags; those of the limits have the defaults of `serving.conf.ServeConf`."""
    parser = CommandParser(
        prog="espnet-jst serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help=MODEL_HELP)
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine alone)")
    parser.add_argument("--port", type=int, help="port (default: 8000); 0: any that is free")
    parser.add_argument(
        "--token", help=f"what clients must show, needed with other hosts; or in {TOKEN}, which ps hides"
    )
    parser.add_argument("--origin", action="append", help="pages of another host that may use it: https://example.org")
    for flag, kind, meaning in (
        ("max_sessions", int, "sessions at once (default: 8); one more is refused"),
        ("ahead_s", float, "seconds of audio of a session that wait (default: 10); a faster client waits"),
        ("session_s", float, "longest session in seconds of audio (default: 14400)"),
        ("upload_mb", float, "largest recording that is sent, in MB (default: 512)"),
        ("gather_s", float, "how long a chunk waits for those of other sessions (default: 0.005)"),
        ("max_batch", int, "sessions computed at once (default: 64); 1: one after the other"),
        ("idle_s", float, "a client that sends nothing for so long is gone (default: 300)"),
        ("grace_s", float, "how long sessions may take to finish at the end (default: 60)"),
    ):
        parser.add_argument(f"--{flag}", type=kind, help=meaning)
    parser.add_argument("--simulstream_log", help="file that sessions of simulstream are added to, for its metrics")
    parser.add_argument("--chunk_s", type=float, help="chunk in seconds; default: the model's own")
    parser.add_argument(
        "--left_chunks", type=encoder_values, metavar="N|ENCODER=N,...", help="chunks of left context; -1: all"
    )
    parser.add_argument("--look_ahead_s", type=float, help="look-ahead of overlapping blocks; default: the model's own")
    parser.add_argument("--beam_size", type=int, help="hypotheses kept; 1: greedy; default: the pack's, or 1")
    parser.add_argument("--blank_penalty", type=lane_values, help="taken off the blank's logit, as in transcribe")
    parser.add_argument("--mt_model", help="a cascade: pack, folder or tag of a model that translates the transcript")
    parser.add_argument("--tgt_lang", help="language to translate into where a client names none")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser


def _run(args: argparse.Namespace) -> None:
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ModuleNotFoundError as error:
        raise JSTError(f"{error.name} is missing: pip install 'espnet_jst[serve]'") from None
    from espnet_jst.keys import read
    from espnet_jst.serving.conf import ServeConf

    flags = [
        *("host", "port", "max_sessions", "ahead_s", "session_s", "upload_mb", "gather_s", "max_batch", "idle_s"),
        *("grace_s", "simulstream_log"),
    ]
    given = {name: getattr(args, name) for name in flags} | {"origins": args.origin}
    given["token"] = args.token if args.token is not None else os.environ.get(TOKEN)
    conf = read(ServeConf, {name: value for name, value in given.items() if value is not None}, "serve")
    options = {name: value for name in DECODING if (value := getattr(args, name)) is not None}
    if args.device != "cpu":
        from espnet_jst.inference.device import check_device

        check_device(args.device)
    from espnet_jst.inference import Speech2Text
    from espnet_jst.serving.about import ServedModel, public_name
    from espnet_jst.serving.server import serve

    speech2text = Speech2Text.from_pretrained(args.model, device=args.device, revise=False, **options)
    serve(ServedModel.of(speech2text, public_name(args.model)), conf)


main = program(get_parser, _run)

if __name__ == "__main__":
    import sys

    sys.exit(main())
