"""What stages 3-5 would leave out or change in a data directory, found before they run. They use the same checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from espnet_jst.data import checks
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import WARNING, Limits, Problem
from espnet_jst.data.text_checks import is_speechless
from espnet_jst.data.texts import ALONE, Texts
from espnet_jst.data.utterances import AudioItem, DataSet, Tables, check_utterance, hear, read_set
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.jobs.shards import run_shards, split
from espnet_jst.recipe.options import DataOptions, TextOptions
from espnet_jst.recipe.stages.cleaning import limits
from espnet_jst.recipe.stages.formatting import SHARD
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import split_units

SLACK_S = 0.5  # word times of other programs may end a little after the audio


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a data directory.

    Attributes:
        audio_s: seconds of their audio.
        problems: errors, then warnings; an utterance has one error (the first found) or any number of warnings.
    """

    directory: str
    texts: Texts
    good: int
    audio_s: float
    problems: list[Problem]

    def concerned(self, severity: str) -> set[str]:
        """Utterances with a problem of this severity."""
        return {problem.utt_id for problem in self.problems if problem.severity == severity}


@dataclass
class Shard:
    """What reading the audio of a shard gave: lengths at the model's rate, errors, and remarks on the good ones."""

    samples: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)


def diagnose(
    directory: str | Path,
    options: DataOptions,
    *,
    nj: int = 1,
    src_text: str | None = None,
    tgt_text: str | None = None,
    tokenizers: Sequence[Tokenizer] = (),
) -> Diagnosis:
    """Examine a data directory as a training set of a recipe with these options.

    Args:
        directory: `wav.scp`, texts, and whatever optional tables there are.
        src_text: file name of the transcript; found where there are one or two `text.*`.
        tokenizers: those of transcript and translation, or of the transcript alone; a text without one has no
            unknown character.

    Raises:
        DataError: a file that every set needs is missing.
        ConfigError: it is not clear which files are the texts.
    """
    texts = find_texts(Path(directory), src_text, tgt_text)
    data, limit = read_set(directory, *texts), limits(options, TextOptions())
    work = partial(read_shard, fs=options.fs_hz, strict_fs=options.strict_fs, channels=options.channels, limits=limit)
    parts = run_shards(work, split(data.items, SHARD), nj=nj, title="reading audio")
    errors = data.problems + [problem for part in parts for problem in part.problems]
    remarks = data.remarks + [remark for part in parts for remark in part.remarks]
    lengths = {key: samples for part in parts for key, samples in part.samples.items()}
    for key, samples in lengths.items():
        try:
            check_utterance(key, data.tables, texts, samples=samples, fs=options.fs_hz, limits=limit)
            if tokenizers and texts.transcript is not None:
                pieces = tokenizers[0].encode(split_units(data.tables[texts.transcript][key]))
                checks.check_fit(texts.transcript, pieces, samples, options.fs_hz, limit)
        except BadItem as bad:
            errors.append(Problem.of(key, bad))
        else:
            remarks += _text_remarks(key, data.tables, texts, samples / options.fs_hz, tokenizers)
    bad_keys = {problem.utt_id for problem in errors}
    good = {key: samples for key, samples in lengths.items() if key not in bad_keys}
    remarks = [remark for remark in remarks if remark.utt_id in good]
    remarks += _line_remarks(data, bad_keys)
    return Diagnosis(str(directory), texts, len(good), sum(good.values()) / options.fs_hz, errors + remarks)


def read_shard(items: Sequence[AudioItem], *, fs: int, strict_fs: bool, channels: int = 1, limits: Limits) -> Shard:
    """Read every sample of some utterances."""
    shard = Shard()
    for item in items:
        try:
            heard = hear(item, fs=fs, strict_fs=strict_fs, channels=channels, limits=limits)
        except BadItem as bad:
            shard.problems.append(Problem.of(item.utt_id, bad))
            continue
        shard.samples[item.utt_id] = round(heard.samples * fs / heard.fs)
        shard.remarks += heard.remarks
    return shard


def _text_remarks(
    key: str, tables: Tables, texts: Texts, duration_s: float, tokenizers: Sequence[Tokenizer]
) -> Iterator[Problem]:
    for name, tokenizer in zip(texts, tokenizers):
        if name is None:
            continue
        unknown = tokenizer.unknown(split_units(tables[name][key]))
        if unknown:
            reason = f"{name}: the vocabulary lacks {' '.join(map(repr, unknown))}"
            fix = "correct the text, or train the token list on text that holds it"
            yield Problem(key, reason, fix, "unknown-character", WARNING)
    for name in texts.names:
        if is_speechless(tables[name][key]):
            fix = "check what was said, or remove the utterance"
            yield Problem(key, f"{name}: no letter and no digit", fix, "text-without-letters", WARNING)
    times = tables.get("word_times", {}).get(key, "-").split()
    if times and times != ["-"] and float(times[-1]) > duration_s + SLACK_S:
        reason = f"the last word ends at {float(times[-1]):g} s and the audio at {duration_s:.2f} s"
        yield Problem(key, reason, "count times from the start of the utterance", "times-outside", WARNING)


def _line_remarks(data: DataSet, bad_keys: set[str]) -> Iterator[Problem]:
    """Utterances that an optional file lacks, or that it alone names."""
    keys = {item.utt_id for item in data.items} | bad_keys
    for name in data.optional:
        for key in data.tables[name]:
            if key not in keys:
                fix = "remove the line or add the utterance"
                yield Problem(key, f"only {name} names it", fix, "keys-differ", WARNING)
        for item in data.items:
            if item.utt_id not in data.tables[name] and item.utt_id not in bad_keys:
                reason = f"missing in {name}, counts as unknown"
                yield Problem(item.utt_id, reason, "add the line", "keys-differ", WARNING)


def find_texts(directory: Path, src_text: str | None, tgt_text: str | None) -> Texts:
    """File names of transcript and translation, found where there are two `text.*`; one, or "text", is a transcript.

    Word times and links tell which is which; where they do not, the recipe's default names do, then the alphabet.

    Raises:
        DataError: no such directory.
        ConfigError: there are none, or more than two.
    """
    if not directory.is_dir():
        raise DataError(f"{directory}: no such folder; give one with wav.scp and a text or two")
    if src_text and tgt_text:
        return Texts(src_text, tgt_text)
    usual = TextOptions().files.transcript
    found = sorted((path.name for path in directory.glob("text.*") if path.is_file()), key=lambda n: (n != usual, n))
    found = found or [ALONE] * (directory / ALONE).is_file()
    others = [name for name in found if name not in (src_text, tgt_text)]
    named = bool(src_text or tgt_text)
    if len(others) > 2 - named or not found:
        there = f"the texts there are {' '.join(found)}" if found else "there is no text.* file"
        raise ConfigError(f"{directory}: {there}; name transcript and translation with --src_text and --tgt_text")
    if named:
        other = next(iter(others), None)
        return Texts(src_text or other, tgt_text or other)
    if len(others) == 1:
        return Texts(others[0])
    first, second = others
    return min((Texts(first, second), Texts(second, first)), key=lambda texts: _misfits(directory, texts))


def _misfits(directory: Path, texts: Texts) -> int:
    """Utterances whose word times or links do not fit the lengths of the texts."""
    names = [*texts.names, *(name for name in ("alignment", "word_times") if (directory / name).exists())]
    tables, _ = checks.read_tables(directory, names)
    transcripts, translations = (tables[name] for name in texts.names)
    count = 0
    for key in set(transcripts) & set(translations):
        source, target = (len(split_units(table[key])) for table in (transcripts, translations))
        try:
            checks.check_alignment(tables.get("alignment", {}).get(key, "0-0"), source, target)
            checks.check_word_times(tables.get("word_times", {}).get(key, "-"), source)
        except BadItem:
            count += 1
    return count
