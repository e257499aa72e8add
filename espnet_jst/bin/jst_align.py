"""Word alignment of two Kaldi text files, or, with --times, the end of each spoken word from a model's CTC head."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_jst.bin.arguments import run_main
from espnet_jst.errors import ConfigError

SYMMETRIZATIONS = ("grow-diag-final-and", "intersect", "forward", "reverse")


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        epilog="Links: jst_align --src text.lc.en --tgt text.lc.de --output alignment. Word times, which INTER TIME "
        "needs: jst_align --times --src text.lc.en --wav_scp wav.scp --model exp/st_tag --output word_times.",
    )
    parser.add_argument("--src", required=True, help="transcripts, a line an utterance: key, words")
    parser.add_argument("--output", required=True, help="file to write; '-' where there is nothing")
    group = parser.add_argument_group("links")
    group.add_argument("--tgt", help="translations")
    group.add_argument("--symmetrization", choices=SYMMETRIZATIONS, default="grow-diag-final-and")
    group = parser.add_argument_group("word times")
    group.add_argument("--times", action="store_true", help="write the end of each source word in seconds")
    group.add_argument("--wav_scp", help="recordings, a line an utterance: key, path")
    group.add_argument("--model", help="model with a CTC head on the transcript: zip, experiment folder, hub tag")
    group.add_argument("--st_train_config", help="instead of --model: config.yaml")
    group.add_argument("--st_model_file", help="instead of --model: weights")
    group.add_argument("--full_spans", action="store_true", help="write start:end of each word, not its end alone")
    group.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    return parser


def main(cmd: Sequence[str] | None = None) -> int:
    """Parse and run; returns the exit status."""
    args = get_parser().parse_args(cmd)
    return run_main(lambda: _times(args) if args.times else _links(args))


def _links(args: argparse.Namespace) -> None:
    if args.tgt is None:
        raise ConfigError("--tgt is missing: give the translations, or --times for the times of spoken words")
    from espnet_jst.data.kaldi import check_same_keys, read_table
    from espnet_jst.text import align_corpus
    from espnet_jst.text.align import write_pharaoh

    source, target = read_table(args.src), read_table(args.tgt)
    check_same_keys({args.src: source, args.tgt: target})
    keys = list(source)
    sources, targets = [source[key].split() for key in keys], [target[key].split() for key in keys]
    links = align_corpus(sources, targets, symmetrization=args.symmetrization)
    write_pharaoh(args.output, dict(zip(keys, links, strict=True)))
    empty = sum(not found for found in links)
    print(f"{len(keys)} utterances aligned in {args.output}" + (f", {empty} without a link" if empty else ""))


def _times(args: argparse.Namespace) -> None:
    if args.wav_scp is None or not (args.model or args.st_model_file):
        raise ConfigError("--times needs --wav_scp and a model: --model, or --st_train_config and --st_model_file")
    from espnet_jst.data.checks import write_skipped
    from espnet_jst.data.kaldi import read_table, write_table

    texts, files = read_table(args.src), read_table(args.wav_scp)
    from espnet_jst.hub.load import resolve
    from espnet_jst.inference.progress import progress
    from espnet_jst.inference.transcript_times import transcript_times

    model = {"st_train_config": args.st_train_config, "st_model_file": args.st_model_file}
    with progress("align", len(texts)) as advance:
        spans, skipped = transcript_times(
            **(resolve(args.model) if args.model else model),
            texts=texts,
            files=files,
            device=args.device,
            on_progress=advance,
        )
    form = "{0:.3f}:{1:.3f}" if args.full_spans else "{1:.3f}"
    lines = {key: " ".join(form.format(*span) for span in words) or "-" for key, words in spans.items()}
    # An utterance that cannot be timed keeps its line: the preprocessor reads '-' as unknown.
    write_table(args.output, {key: lines.get(key, "-") for key in texts})
    if skipped:
        write_skipped(Path(args.output).parent / f"{Path(args.output).name}_skipped", skipped)
        print(f"{len(skipped)} utterances have no times; the first: {skipped[0]}", file=sys.stderr)
    print(f"{len(spans)} utterances timed in {args.output}")


if __name__ == "__main__":
    sys.exit(main())
