"""espnet-jst: one command with a subcommand for each program; nothing heavy is imported to choose one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "transcribe": ("espnet_jst.bin.transcribe", "recordings in, transcript and translation out"),
    "models": ("espnet_jst.bin.jst_models", "the packed models of the project's tree, with what was measured of them"),
    "serve": ("espnet_jst.bin.jst_serve", "a server of live sessions and of recordings"),
    "translate": ("espnet_jst.bin.translate", "lines of text in, their translations out"),
    "train": ("espnet_jst.bin.jst_train", "train a model (ESPnet's flags)"),
    "inference": ("espnet_jst.bin.jst_inference", "decode a Kaldi-style list of recordings"),
    "score": ("espnet_jst.bin.jst_score", "quality and latency of a decode directory"),
    "report": ("espnet_jst.bin.jst_report", "one HTML page about a run"),
    "pack": ("espnet_jst.bin.jst_pack", "pack a trained model into a zip"),
    "export": ("espnet_jst.bin.jst_export", "a pack for another runtime: onnxruntime, sherpa-onnx"),
    "import-icefall": ("espnet_jst.bin.jst_import_icefall", "pack a released Zipformer or HENT-SRT checkpoint"),
    "align": ("espnet_jst.bin.jst_align", "word alignment of two texts, word times of recordings"),
    "import": ("espnet_jst.bin.jst_import", "a data directory from a table, a data set or cuts"),
    "doctor": ("espnet_jst.bin.jst_doctor", "examine a data directory before training"),
    "convert-pipes": ("espnet_jst.bin.jst_convert_pipes", "run the commands of a wav.scp once, into audio files"),
    "diagnose": ("espnet_jst.bin.jst_diagnose", "what each policy costs, before any training"),
    "similarity": ("espnet_jst.bin.similarity", "what the branches of models find alike"),
    "units": ("espnet_jst.bin.units", "speech as discrete units: learn and extract them"),
    "synthesize": ("espnet_jst.bin.jst_synthesize", "recordings of texts, by a speech synthesizer of yours"),
    "simulate": ("espnet_jst.bin.simulate", "conversations at several microphones, from single utterances"),
    "conversations": ("espnet_jst.bin.conversations", "texts of conversations, with a tag for each speaker"),
    "beams": ("espnet_jst.bin.beams", "the beams of several microphones, as a picture"),
    "recipe": ("espnet_jst.bin.jst_recipe", "run the stages of a recipe"),
    "hook": ("espnet_jst.bin.jst_hook", "let ESPnet's own commands run our models"),
}


def usage() -> str:
    """What `espnet-jst --help` prints."""
    lines = [f"  {name:<15}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: espnet-jst COMMAND ...",
            "",
            "Joint streaming speech recognition and translation, a plugin for ESPnet.",
            "",
            "commands:",
            *lines,
            "",
            "espnet-jst COMMAND --help shows a command's options; espnet-jst --version the version.",
        ]
    )


def main(cmd: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns its exit status."""
    arguments = list(sys.argv[1:] if cmd is None else cmd)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from espnet_jst.version import __version__

        print(f"espnet-jst {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        from espnet_jst.config import closest

        print(f"error: no command {name!r}{closest(name, COMMANDS)}; espnet-jst --help lists them", file=sys.stderr)
        return 2
    sys.argv[0] = f"espnet-jst {name}"
    return importlib.import_module(COMMANDS[name][0]).main(arguments[1:]) or 0


if __name__ == "__main__":
    sys.exit(main())
