"""Stage 4: utterances that training cannot use are left out and listed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from espnet_jst.data import checks, kaldi
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Limits, Problem
from espnet_jst.data.texts import Texts, segments_file
from espnet_jst.data.utterances import check_utterance
from espnet_jst.errors import DataError
from espnet_jst.recipe.dump import copy_segments, set_tables, summary, write_tables
from espnet_jst.recipe.options import DataOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import present


def remove_stage(data: DataOptions, text: TextOptions, name: str, *, skip: str) -> Stage:
    """Stage 4 for one training set."""
    source, out = data.raw / "org" / name, data.raw / name
    others = present(*(data.formatted(other) / "wav.scp" for other in data.every_set if other != name))
    return Stage(
        number=4,
        name=f"remove bad items of {name}",
        run=partial(remove_bad, source, out, text.files, others),
        uses={"fs": data.fs_hz, "limits": limits(data, text)},
        # Beside the set itself, the others: an utterance of this one in them is warned of.
        inputs=[
            *(source / table for table in set_tables(text.files, source)),
            *present(source / checks.SKIPPED, *(source / segments_file(name) for name in text.files.names)),
            *others,
        ],
        outputs=[out / table for table in ("wav.scp", "utt2num_samples", *text.files.names, checks.SKIPPED)],
        stamp=out / ".stages" / "4.json",
        skip=skip,
    )


def limits(data: DataOptions, text: TextOptions) -> Limits:
    """What an utterance of this recipe must keep to."""
    return Limits(
        min_s=data.min_wav_duration,
        max_s=data.max_wav_duration,
        max_chars=data.max_text_chars,
        frame_s=data.frame_s,
        tags=tuple(tag for tag in text.tags if tag not in text.speaker_tags),
        speakers=tuple(text.speaker_tags),
    )


def remove_bad(source: Path, out: Path, texts: Texts, others: Sequence[Path] = (), *, fs: int, limits: Limits) -> str:
    """Copy the tables of a set without the utterances that a check refuses. Returns the summary.

    Word links that the user gave are checked; it is stage 5 that hands them on, as it does those of an aligner.

    Args:
        others: `wav.scp` of the other sets.
        fs: sampling rate of the audio in Hz.

    Raises:
        DataError: no utterance is left.
    """
    tables, problems = checks.read_tables(source, set_tables(texts, source))
    problems += list(checks.read_skipped(source))
    before = len(problems)
    for key, samples in tables["utt2num_samples"].items():
        try:
            check_utterance(key, tables, texts, samples=int(samples), fs=fs, limits=limits)
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    bad_keys = {problem.utt_id for problem in problems[before:]}
    tables.pop("alignment", None)
    kept = {name: {k: v for k, v in table.items() if k not in bad_keys} for name, table in tables.items()}
    if not kept["wav.scp"]:
        raise DataError(f"{out}: every utterance was left out (first: {problems[before]})")
    write_tables(out, kept, keep=["alignment"])  # which is stage 5's
    copy_segments(source, out, {name: name for name in texts.names}, kept["wav.scp"])
    checks.write_skipped(out, problems)
    return "; ".join([summary(len(kept["wav.scp"]), problems), *_leaks(out.name, kept["wav.scp"], others)])


def _leaks(name: str, wav: dict[str, str], others: Sequence[Path]) -> list[str]:
    """Warnings on test or validation utterances that this set holds too."""
    found = {path.parent.name: kaldi.read_table(path) for path in others}
    return [f"WARNING: {note}" for other in found for note in checks.check_leaks({name: wav, other: found[other]})]
