"""Word alignment of two Kaldi text files; with --times, the end of each spoken word from a model's CTC head; with
--corrupt, links made wrong on purpose."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_jst.bin.arguments import program
from espnet_jst.config import CommandParser
from espnet_jst.errors import ConfigError
from espnet_jst.text.align.external import ALIGNERS
from espnet_jst.text.align.symmetrize import SYMMETRIZATIONS


def get_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = CommandParser(
        description=__doc__,
        epilog="Links: espnet-jst align --src text.lc.en --tgt text.lc.de --output alignment. Word times, for "
        "policy time: espnet-jst align --times --src text.lc.en --wav_scp wav.scp --model exp/st_tag --output times. "
        "Wrong links: espnet-jst align --corrupt 0.1 --alignment alignment --tgt text.lc.de --output corrupted.",
    )
    parser.add_argument("--src", help="transcripts, a line an utterance: key, words")
    parser.add_argument("--output", required=True, help="file to write; '-' where there is nothing")
    group = parser.add_argument_group("links")
    group.add_argument("--tgt", help="translations")
    group.add_argument("--aligner", choices=ALIGNERS, default="builtin", help="the others have to be installed")
    group.add_argument("--aligner_model", default="", help="for simalign, awesome-align: folder or name of the model")
    group.add_argument("--symmetrization", choices=SYMMETRIZATIONS, default="grow-diag-final-and")
    group = parser.add_argument_group("word times")
    group.add_argument("--times", action="store_true", help="write the end of each source word in seconds")
    group.add_argument("--wav_scp", help="recordings, a line an utterance: key, path")
    group.add_argument("--model", help="model with a CTC head on the transcript: zip, experiment folder, hub tag")
    group.add_argument("--st_train_config", help="instead of --model: config.yaml")
    group.add_argument("--st_model_file", help="instead of --model: weights")
    group.add_argument("--full_spans", action="store_true", help="write start:end of each word, not its end alone")
    group = parser.add_argument_group("corrupted links")
    group.add_argument(
        "--corrupt", type=float, metavar="SHARE", help="give this share of the links another target word"
    )
    group.add_argument("--alignment", help="the links, a line an utterance")
    group.add_argument("--seed", type=int, default=0, help="of the links that are drawn")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N: of --times, simalign and awesome-align")
    return parser


def _run(args: argparse.Namespace) -> None:
    if args.corrupt is not None:
        _corrupt(args)
    elif args.times:
        _times(args)
    else:
        _links(args)


def _links(args: argparse.Namespace) -> None:
    if args.src is None or args.tgt is None:
        raise ConfigError("--src and --tgt: give the transcripts and the translations, or --times for word times")
    from espnet_jst.data.kaldi import check_same_keys, read_table
    from espnet_jst.text import align_corpus
    from espnet_jst.text.align.pharaoh import write_pharaoh
    from espnet_jst.text.units import split_units

    source, target = read_table(args.src), read_table(args.tgt)
    check_same_keys({args.src: source, args.tgt: target})
    keys = list(source)
    sources, targets = [split_units(source[key]) for key in keys], [split_units(target[key]) for key in keys]
    links = align_corpus(
        sources,
        targets,
        aligner=args.aligner,
        symmetrization=args.symmetrization,
        model=args.aligner_model,
        device=args.device,
        names=keys,
    )
    write_pharaoh(args.output, dict(zip(keys, links, strict=True)))
    empty = [key for key, found in zip(keys, links, strict=True) if not found]
    note = f", {len(empty)} without a link (first: {empty[0]})" if empty else ""
    print(f"{len(keys)} utterances aligned in {args.output}{note}")


def _corrupt(args: argparse.Namespace) -> None:
    if args.alignment is None or args.tgt is None:
        raise ConfigError("--corrupt needs --alignment, the links, and --tgt, the translations that they point into")
    from espnet_jst.data.kaldi import read_table
    from espnet_jst.text.align.corrupt import corrupt_links
    from espnet_jst.text.align.pharaoh import read_pharaoh, write_pharaoh
    from espnet_jst.text.units import split_units

    links = read_pharaoh(args.alignment)
    words = {key: len(split_units(text)) for key, text in read_table(args.tgt).items()}
    wrong = corrupt_links(links, words, args.corrupt, seed=args.seed)
    write_pharaoh(args.output, wrong)
    moved = sum(len(wrong[key] - links[key]) for key in links)
    print(f"{moved} of {sum(map(len, links.values()))} links corrupted in {args.output}")


def _times(args: argparse.Namespace) -> None:
    if args.src is None or args.wav_scp is None or not (args.model or args.st_model_file):
        raise ConfigError(
            "--times needs --src, --wav_scp and a model: --model, or --st_train_config and --st_model_file"
        )
    from espnet_jst.data.checks import write_skipped
    from espnet_jst.data.kaldi import read_table, write_table

    texts, files = read_table(args.src), read_table(args.wav_scp)
    from espnet_jst.hub.load import resolve
    from espnet_jst.inference.align.transcript_times import transcript_times
    from espnet_jst.progress import progress

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


main = program(get_parser, _run)

if __name__ == "__main__":
    sys.exit(main())
