"""Stage 2: a teacher labels a set without texts (arXiv:2412.15415), which joins the labelled one for training."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from espnet_jst.data import checks, kaldi
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import NO_VALUE, Problem
from espnet_jst.data.texts import Texts
from espnet_jst.data.utterances import CHANNELS, optional_tables
from espnet_jst.errors import DataError
from espnet_jst.evaluation.files import DecodedUtterance, read_words
from espnet_jst.recipe.dump import summary
from espnet_jst.recipe.finetune import model_inputs
from espnet_jst.recipe.options import DataOptions, RunOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stages.decoding import decode
from espnet_jst.recipe.stages.formatting import format_set
from espnet_jst.recipe.stamp import audio_state, present
from espnet_jst.text.words import Word, speaker_runs, unit_words

WORDS = "words.jsonl"
WORK = "labelling"  # folder of the training set with what the teacher heard and wrote


def labelling_stage(data: DataOptions, text: TextOptions, run: RunOptions, *, skip: str) -> Stage:
    """Label the set, leave out what the teacher is not sure of, and write the training set."""
    people, unlabelled, out = (
        Path(data.datadir) / name for name in (data.labelled_set, data.unlabelled_set, data.train_set)
    )
    extras = (*optional_tables(text.files), "segments", CHANNELS)
    return Stage(
        number=2,
        name=f"label {data.unlabelled_set}",
        run=partial(
            label, people, unlabelled, out, text.files, nj=run.nj, inference_nj=run.inference_nj, ngpu=run.ngpu
        ),
        uses={
            "teacher": data.teacher,
            "flags": data.teacher_args,
            "min_confidence": data.min_confidence,
            "fs": data.fs_hz,
            "audio_format": data.audio_format,
            "channels": data.channels,
        },
        inputs=[
            *(people / name for name in ("wav.scp", *text.files.names)),
            *present(*(people / name for name in extras)),
            unlabelled / "wav.scp",
            *present(*(unlabelled / name for name in ("segments", CHANNELS))),
            *teacher_files(data.teacher),
        ],
        outputs=[out / name for name in ("wav.scp", *text.files.names, checks.SKIPPED)],
        facts=lambda: {"audio": audio_state(unlabelled / "wav.scp")},
        stamp=out / ".stages" / "2.json",
        skip=skip,
    )


def teacher_files(teacher: str) -> list[Path]:
    """Its files, whose contents count: the words of a decode directory, or those of a model; none of a tag."""
    return present(Path(teacher) / WORDS) or model_inputs(teacher)


def label(
    people: Path,
    unlabelled: Path,
    out: Path,
    texts: Texts,
    *,
    nj: int,
    inference_nj: int,
    ngpu: int,
    teacher: str,
    flags: str,
    min_confidence: float,
    fs: int,
    audio_format: str,
    channels: int = 1,
) -> str:
    """Write the data directory `out`: the utterances of `people`, and those of `unlabelled` that were labelled well.

    Args:
        teacher: model, or decode directory with words.jsonl.
        flags: further options of `jst_inference`.
        min_confidence: see `labels`.
        fs: sampling rate in Hz.
        channels: that the audio keeps; a teacher of one takes their mean.

    Raises:
        DataError: a set lacks a file, both have an utterance of one name, or no label is left.
    """
    work = out / WORK
    format_set(unlabelled, work / "audio", Texts(), nj=nj, fs=fs, audio_format=audio_format, channels=channels)
    decoded = Path(teacher)
    if not (decoded / WORDS).is_file():
        decoded = work / "decoded"
        model = ["--model_tag", teacher]
        decode(work / "audio" / "wav.scp", decoded, model, nj=inference_nj, ngpu=ngpu, flags=shlex.split(flags))
    heard = kaldi.read_table(work / "audio" / "wav.scp")
    words = read_words(decoded / WORDS)
    problems = [*checks.read_skipped(work / "audio")]
    tables, unsure = labels({key: words[key] for key in heard if key in words}, texts, min_confidence)
    problems += unsure
    problems += [
        Problem(key, "the teacher wrote nothing for it", "see its skipped.jsonl", "label-missing")
        for key in heard
        if key not in words
    ]
    kept = tables["wav.scp"] = {key: heard[key] for key in next(iter(tables.values()))}
    if not kept:
        first = f" (first: {problems[0]})" if problems else ""
        raise DataError(f"{unlabelled}: no label is left{first}; lower --min_confidence, or take a better teacher")
    _write_joined(people, out, texts, tables, {key: words[key].duration_s for key in kept})
    checks.write_skipped(out, problems)
    return f"{summary(len(kept), problems)} of {unlabelled.name}, with {people.name} in {out}"


def labels(
    decoded: Mapping[str, DecodedUtterance], texts: Texts, min_confidence: float
) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """The texts, and word end times, of what a teacher is sure of.

    Sure is who gives the words of every lane a mean posterior probability of `min_confidence`; a word without one is
    taken as certain, as text of people.

    Returns:
        Tables by name, and what was left out.
    """
    tables: dict[str, dict[str, str]] = {name: {} for name in (*texts.names, "word_times")}
    problems = []
    for key, utterance in decoded.items():
        try:
            said = {name: _said(utterance, lane, min_confidence) for lane, name in texts.by_lane.items()}
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
            continue
        for name, words in said.items():
            tables[name][key] = _line(words)
        spoken = said.get(texts.transcript or "", [])
        ends = [unit.end_s for word in spoken for unit in unit_words(word, word.language)]
        tables["word_times"][key] = " ".join(f"{end:.3f}" for end in ends) or NO_VALUE
    return tables, problems


def _said(utterance: DecodedUtterance, lane: str, min_confidence: float) -> list[Word]:
    words = utterance.lane(lane)
    if not words:
        raise BadItem(f"the teacher wrote no {lane}", "a better teacher may", "label-empty")
    sure = [1.0 if word.confidence is None else word.confidence for word in words]
    if (mean := sum(sure) / len(sure)) < min_confidence:
        raise BadItem(
            f"{lane}: confidence {mean:.2f}, under {min_confidence:g}", "lower --min_confidence", "label-unsure"
        )
    return words


def _line(words: Sequence[Word]) -> str:
    """The text, with tags of speakers as training texts have them."""
    return " ".join(line if speaker is None else f"<{speaker}> {line}" for speaker, line in speaker_runs(words))


def _write_joined(
    people: Path, out: Path, texts: Texts, labelled: Mapping[str, Mapping[str, str]], durations_s: Mapping[str, float]
) -> None:
    """Both sets as one; what an optional file of people says, it does not say of the others."""
    given = texts.found_in(people)
    optional = present(*(people / name for name in (*optional_tables(texts), "segments", CHANNELS)))
    names = dict(zip(given.names, texts.names, strict=True))
    tables = {names.get(name, name): dict(kaldi.read_table(people / name)) for name in ("wav.scp", *given.names)}
    tables |= {path.name: dict(kaldi.read_table(path)) for path in optional}
    spoken = tables.get("segments", tables["wav.scp"])
    for key in labelled["wav.scp"]:
        if key in spoken or key in tables["wav.scp"]:
            raise DataError(f"{key} is in {people} and in the set that is labelled; give one of them another name")
    for name in tables:
        if name == "segments":
            tables[name] |= {key: f"{key} 0 {seconds:.4f}" for key, seconds in durations_s.items()}
        elif name == "utt2spk":
            tables[name] |= {key: key for key in durations_s}
        elif name in labelled:
            tables[name] |= labelled[name]
    for name, table in tables.items():
        kaldi.write_table(out / name, table)
