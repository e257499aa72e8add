"""Stage 5: the utterances that training takes, in a list of its own, so that no table of another stage is rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_jst.data import checks, kaldi
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.texts import Texts
from espnet_jst.errors import DataError
from espnet_jst.recipe.dump import summary
from espnet_jst.recipe.options import DataOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.tokens import reader_dir
from espnet_jst.text.units import split_units

if TYPE_CHECKING:
    from espnet_jst.text.tokenizer import Tokenizer

UNLINKED = ("there is no link to the translation", "check that both texts belong together", "links-missing")


def fitting_stage(data: DataOptions, text: TextOptions, *, skip: str) -> Stage:
    """Transcripts that CTC can place in their frames, and texts that have links."""
    sets = [data.raw / name for name in data.training_sets]
    reader = reader_dir(text.token_dirs(data.datadir))
    read = [text.files.transcript] if text.files.transcript else []
    read += ["alignment"] if text.files.both else []
    return Stage(
        number=5,
        name="utterances to train on",
        run=partial(choose_utterances, sets, text.files, reader),
        uses={"fs": data.fs_hz, "frame_s": data.frame_s},
        inputs=[
            *(path / table for path in sets for table in ("utt2num_samples", *read)),
            *(reader / name for name in ("tokens.txt", "bpe.model")),
        ],
        outputs=[path for folder in sets for path in (shape_file(folder, reader), left_out(folder, reader))],
        stamp=sets[0] / ".stages" / f"5-{reader.name}.json",
        skip=skip,
    )


def shape_file(folder: Path, reader: Path) -> Path:
    """Lengths of the utterances of a set that fit the token list and have links: those that training takes."""
    return folder / f"utt2num_samples.{reader.name}"


def left_out(folder: Path, reader: Path) -> Path:
    """The list of those that do not."""
    return folder / f"skipped.{reader.name}.jsonl"


def choose_utterances(sets: Sequence[Path], texts: Texts, reader: Path, *, fs: int, frame_s: float) -> str:
    """List what training takes of each set.

    Args:
        reader: the token list that transcripts are read with.
        fs: sampling rate in Hz.
        frame_s: seconds of audio for one encoder output frame.

    Raises:
        DataError: nothing of a set is left.
    """
    from espnet_jst.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(reader)
    return "; ".join(f"{folder.name}: {_choose(folder, texts, reader, tokenizer, fs, frame_s)}" for folder in sets)


def _choose(folder: Path, texts: Texts, reader: Path, tokenizer: Tokenizer, fs: int, frame_s: float) -> str:
    samples = kaldi.read_table(folder / "utt2num_samples")
    transcripts = kaldi.read_table(folder / texts.transcript) if texts.transcript else {}
    links = kaldi.read_table(folder / "alignment") if texts.both else None
    problems = []
    for key, text in transcripts.items():
        try:
            pieces = tokenizer.encode(split_units(text))
            checks.check_fit(f"{texts.transcript}", pieces, int(samples[key]), fs, checks.Limits(frame_s=frame_s))
            if links is not None and links.get(key, "-") == "-":
                raise BadItem(*UNLINKED)
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    bad_keys = {problem.utt_id for problem in problems}
    kept = {key: value for key, value in samples.items() if key not in bad_keys}
    if not kept:
        raise DataError(f"{folder}: every utterance was left out (first: {problems[0]})")
    kaldi.write_table(shape_file(folder, reader), kept)
    checks.write_problems(left_out(folder, reader), problems)
    return summary(len(kept), problems, listed=left_out(folder, reader).name)
