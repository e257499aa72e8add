"""Stage 5: the utterances, and texts, that a training on units takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from espnet_jst.data import checks, kaldi
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.errors import DataError
from espnet_jst.recipe.dump import summary
from espnet_jst.recipe.options import DataOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.unit_training import (
    WORDS,
    lengths_file,
    ratio_file,
    repeats,
    text_folder,
    text_source,
    translations,
    words_file,
)
from espnet_jst.text.units import split_units


def unit_fitting_stages(data: DataOptions, text: TextOptions, *, skip: str) -> Iterator[Stage]:
    """Utterances whose texts have a place in their units, and texts that have one in their up-sampled words."""
    folders = text.token_dirs(data.datadir)
    reader, lists = (
        folders["src"],
        [folder / name for folder in folders.values() for name in ("tokens.txt", "bpe.model")],
    )
    sets, most = [data.raw / name for name in data.training_sets], most_positions(text)
    yield Stage(
        number=5,
        name="utterances to train on",
        run=partial(choose_utterances, sets, text, folders),
        uses={"most": most, "frame_tokens": text.frame_tokens},
        inputs=[*(folder / name for folder in sets for name in (text.units_text, *text.files.names)), *lists],
        outputs=[file for folder in sets for file in (lengths_file(folder, reader), ratio_file(folder, reader))],
        stamp=sets[0] / ".stages" / f"5-{reader.name}.json",
        skip=skip,
    )
    if not text.text_share:
        return
    out = text_folder(data, text)
    source = text_source(data, text)
    ratio, words = ratio_file(sets[0], reader), words_file(out, reader, text)
    yield Stage(
        number=5,
        name="text to train on",
        run=partial(choose_text, source, out, text, folders, ratio),
        uses={
            "upsample": text.upsample,
            "shuffled": text.text_shuffled,
            "trains_transcript": text.text_ctc,
            "most": most,
            "frame_tokens": text.frame_tokens,
        },
        inputs=[*(source / name for name in text.files.names), ratio, *lists],
        outputs=[words, *(out / name for name in text.files.names if source != out)],
        stamp=out / ".stages" / f"5-{words.name}.json",
        skip=skip,
    )


def most_positions(text: TextOptions) -> int:
    """Frames, and labels of the translation, that a model has positions for; 0: any number."""
    if not text.mbart:
        return 0
    from espnet_jst.hub.mbart.folder import read_config

    return read_config(Path(text.mbart))["max_position_embeddings"] - 2  # end and language, on both sides


def choose_utterances(
    sets: Sequence[Path],
    text: TextOptions,
    folders: Mapping[str, Path],
    *,
    most: int = 0,
    frame_tokens: int = 1,
) -> str:
    """List what training takes of each set of units.

    Args:
        most: frames and labels that there are positions for, 0 for any number.
        frame_tokens: tokens for an output frame of the encoder.

    Raises:
        DataError: nothing of a set is left.
    """
    said = []
    for folder in sets:
        units = kaldi.read_table(folder / text.units_text)
        lines = {key: [line] if line else [] for key, line in units.items()}
        texts = {name: kaldi.read_table(folder / name) for name in text.files.names}
        kept, problems, ratio = _fitting(texts, text, folders, lines, 1, most, frame_tokens)
        reader = folders["src"]
        kaldi.write_table(lengths_file(folder, reader), kept)
        checks.write_problems(folder / f"skipped.{reader.name}.jsonl", problems)
        ratio_file(folder, reader).write_text(f"{ratio:.3f}\n", encoding="utf-8")
        line = summary(len(kept), problems, listed=f"skipped.{reader.name}.jsonl")
        said.append(f"{folder.name}: {line}, {ratio:.2f} tokens of units for one of the transcript")
    return "; ".join(said)


def choose_text(
    source: Path,
    out: Path,
    text: TextOptions,
    folders: Mapping[str, Path],
    ratio: Path,
    *,
    upsample: str,
    shuffled: bool = False,
    trains_transcript: bool = False,
    most: int = 0,
    frame_tokens: int = 1,
) -> str:
    """List what training takes of a text, which is copied where it has no dump directory yet.

    Args:
        shuffled: every transcript gets the translation of another one.
        trains_transcript: whether a head has to write the transcript too, so that it must fit the frames.
        most, frame_tokens: as in `choose_utterances`.

    Raises:
        DataError: nothing is left.
    """
    if source != out:
        tables, problems = checks.read_tables(source, text.files.names)
        for name, table in tables.items():
            kaldi.write_table(out / name, table)
        checks.write_skipped(out, problems)
    texts = {name: kaldi.read_table(out / name) for name in text.files.names}
    if shuffled:
        texts[f"{text.files.translation}"] = others = shuffle(texts[f"{text.files.translation}"])
        kaldi.write_table(out / translations(text), others)
    repeat = repeats(ratio, upsample)
    lines = {key: split_units(line) for key, line in texts[f"{text.files.transcript}"].items()}
    written = {name: table for name, table in texts.items() if trains_transcript or name != text.files.transcript}
    kept, problems, _ = _fitting(written, text, folders, lines, repeat, most, frame_tokens)
    kaldi.write_table(words_file(out, folders["src"], text), kept)
    checks.write_problems(out / f"skipped.{WORDS}.{folders['src'].name}.jsonl", problems)
    return f"{summary(len(kept), problems, listed=f'skipped.{WORDS}.jsonl')}, {repeat} frames a token"


def shuffle(table: Mapping[str, str]) -> dict[str, str]:
    """To every key the line of another one, in an order that is always the same."""
    order = np.random.default_rng(0).permutation(list(table))
    return {key: table[other] for key, other in zip(order, np.roll(order, 1), strict=True)}


def _fitting(
    texts: Mapping[str, Mapping[str, str]],
    text: TextOptions,
    folders: Mapping[str, Path],
    lines: Mapping[str, list[str]],
    repeat: int,
    most: int,
    frame_tokens: int,
) -> tuple[dict[str, int], list[Problem], float]:
    """Frames of the lines whose texts CTC can place in them, what is wrong with the others, and how many tokens of a
    line there are for one of the transcript.
    """
    from espnet_jst.text.tokenizer import Tokenizer

    tokenizers = {side: Tokenizer.load(place) for side, place in folders.items()}
    problems: list[Problem] = []
    kept, counts = dict[str, int](), [0, 0]
    for key, line in lines.items():
        frames = repeat * len(tokenizers["src"].encode(line))
        try:
            _check_positions(frames, "frames", most)
            for name, table in texts.items():
                side = "src" if name == text.files.transcript else "tgt"
                labels = tokenizers[side].encode(split_units(table[key]))
                if side == "tgt":
                    _check_positions(len(labels), f"labels of {name}", most)
                room = -(-frames // frame_tokens)
                if (needed := checks.ctc_frames(labels)) > room:
                    reason = f"{name}: {len(labels)} tokens need {needed} frames, and there are {room}"
                    reason += f" ({frames} before the encoder's subsampling)" if room < frames else ""
                    advice = "fewer pieces of units, --unit_case ts, or more --upsample"
                    raise BadItem(reason, advice, "text-over-frames")
                if side == "src":
                    counts = [counts[0] + frames, counts[1] + len(labels)]
            kept[key] = frames
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    if not kept:
        raise DataError(f"every utterance was left out (first: {problems[0]})")
    return kept, problems, counts[0] / max(1, counts[1])


def _check_positions(count: int, what: str, most: int) -> None:
    """Refuse more frames or labels than there are positions for."""
    if most and count > most:
        raise BadItem(
            f"{count} {what}, and --mbart has positions for {most}",
            "cut it, or give more --unit_nbpe, or a smaller --upsample",
            "over-positions",
        )
