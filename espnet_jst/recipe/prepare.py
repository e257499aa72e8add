"""Stages 1-4: the recipe's own data, audio in one format, bad utterances left out and listed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from espnet_jst.data import checks, kaldi
from espnet_jst.data.audio_file import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.utterances import OPTIONAL, AudioItem, check_utterance, read_set
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.jobs.command import python, run_logged
from espnet_jst.jobs.shards import run_shards, split
from espnet_jst.recipe.audio import Formatted, format_shard
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import audio_state, named_files, present, variables_of
from espnet_jst.text.tags import Tags

SHARD = 200
MAKERS = ("local", "lists")  # a recipe's folders that say how its data is made
UTT2AUDIO = "utt2audio"  # a digest of the samples of each utterance: what later stages know other audio by
TABLES = ("wav.scp", "utt2num_samples", UTT2AUDIO)


def prepare_stages(options: RecipeOptions) -> Iterator[Stage]:
    """Stages 1-4, each made when the one before has run: its inputs depend on what is there by then."""
    if options.speed_perturb_factors:
        raise ConfigError("--speed_perturb_factors is not used: set speed and speed_prob in preprocessor_conf instead")
    skip = "--skip_data_prep" if options.skip_data_prep else ""
    yield local_data_stage(options, skip)
    off = skip or "speed is varied in training, see preprocessor_conf"
    yield Stage(number=2, name="speed perturbation", run=lambda _: None, skip=off)
    for name in options.every_set:
        yield format_stage(options, name, skip)
    for name in options.training_sets:
        yield remove_stage(options, name, skip)


def local_data_stage(options: RecipeOptions, skip: str) -> Stage:
    """Stage 1: `local/data.py` (or `local/data.sh`) writes the data directories, or `--corpus_dir` is split."""
    data = Path(options.datadir)
    names = ("wav.scp", options.src_text, options.tgt_text)
    tables = [data / name / table for name in options.every_set for table in names]

    if options.corpus_dir:
        from espnet_jst.recipe.own_corpus import split_corpus

        return Stage(
            number=1,
            name="split the corpus",
            run=split_corpus,
            options=options,
            inputs=sorted(path for path in Path(options.corpus_dir).glob("*") if path.is_file()),
            outputs=tables,
            stamp=data / ".stages" / "1.json",
            skip=skip,
        )

    # The code that makes the data is an input too: another composition is other data. So is what it is told.
    files = sorted(path for folder in MAKERS for path in Path(folder).rglob("*") if path.is_file())
    code = [path for path in files if "__pycache__" not in path.parts]
    return Stage(
        number=1,
        name="local data",
        run=make_local_data,
        options=options,
        inputs=[*code, *named_files(options.local_data_opts)],
        outputs=tables,
        facts=lambda: {"environment": variables_of(code)},
        stamp=data / ".stages" / "1.json",
        skip=skip,
    )


def make_local_data(options: RecipeOptions) -> None:
    """Run the recipe's own script."""
    script = next((path for path in (Path("local/data.py"), Path("local/data.sh")) if path.is_file()), None)
    if script is None:
        raise ConfigError("the recipe has no local/data.py: write one, give --corpus_dir, or start with --stage 3")
    data = Path(options.datadir)
    start = python(script, "--data_dir", data) if script.suffix == ".py" else ["bash", str(script)]
    run_logged([*start, *shlex.split(options.local_data_opts)], data / "local_data.log")


def formatted_dir(options: RecipeOptions, name: str) -> Path:
    """Where stage 3 writes a set: training sets wait in `org` for stage 4, as in ESPnet."""
    return options.raw / "org" / name if name in options.training_sets else options.raw / name


def format_stage(options: RecipeOptions, name: str, skip: str) -> Stage:
    """Stage 3 for one set."""
    source, out = Path(options.datadir) / name, formatted_dir(options, name)
    texts = [options.src_text, options.tgt_text]
    extras = present(*(source / extra for extra in (*OPTIONAL, "segments")))
    return Stage(
        number=3,
        name=f"format audio of {name}",
        run=partial(format_set, name=name),
        options=options,
        inputs=[source / "wav.scp", *(source / text for text in texts), *extras],
        outputs=[out / table for table in (*TABLES, *texts, checks.SKIPPED, "data")],
        facts=lambda: {"audio": audio_state(source / "wav.scp")},
        stamp=out / ".stages" / "3.json",
        skip=skip,
    )


def format_set(options: RecipeOptions, name: str) -> str:
    """Read a data directory, bring its audio into form, write the dump directory. Returns the summary."""
    source, out = Path(options.datadir) / name, formatted_dir(options, name)
    data = read_set(source, options.src_text, options.tgt_text)
    if not data.items:
        counts = ", ".join(f"{file} {count}" for file, count in data.lines.items())
        first = f" (first problem: {data.problems[0]})" if data.problems else ""
        raise DataError(f"{source}: no utterance is in every file ({counts} lines){first}; use the same keys in all")
    tables = {"utt2spk": {item.utt_id: item.utt_id for item in data.items}, **data.tables}
    result = _format_audio(data.items, out, options)
    problems = data.problems + result.problems
    result.changed.update(f"mended ({remark.kind})" for remark in data.remarks)
    _write_set(out, result, tables)
    checks.write_skipped(out, problems)
    return summary(len(result.wav), problems, result.changed)


def _format_audio(items: list[AudioItem], out: Path, options: RecipeOptions) -> Formatted:
    (out / "data").mkdir(parents=True, exist_ok=True)
    work = partial(
        format_shard,
        out=out / "data",
        fs=options.fs_hz,
        strict_fs=options.strict_fs,
        audio_format=options.audio_format,
    )
    result = Formatted()
    for part in run_shards(work, split(items, SHARD), nj=options.nj, title=out.name):
        result.add(part)
    if not result.wav:
        first = f" (first: {result.problems[0]})" if result.problems else ""
        raise DataError(f"{out.name}: no utterance can be used{first}")
    return result


def _write_set(out: Path, result: Formatted, tables: dict[str, dict[str, str]]) -> None:
    keep = set(result.wav)
    chosen: dict[str, dict[str, object]] = {name: dict(table) for name, table in zip(TABLES, result.tables())}
    for name, table in tables.items():
        # A line that an optional file lacks says "unknown"; an empty value would stop ESPnet's data set.
        filler = {key: key if name == "utt2spk" else "-" for key in keep}
        chosen[name] = {**filler, **{key: value for key, value in table.items() if key in keep}}
    write_tables(out, chosen)


def write_tables(out: Path, tables: Mapping[str, Mapping[str, object]], *, keep: Sequence[str] = ()) -> None:
    """Write a dump directory; optional tables of an earlier run that are none of these go, but for those to keep."""
    for name in OPTIONAL:
        if name not in tables and name not in keep:
            (out / name).unlink(missing_ok=True)
    kaldi.write_data_dir(out, tables)
    (out / "feats_type").write_text("raw\n", encoding="utf-8")


def remove_stage(options: RecipeOptions, name: str, skip: str) -> Stage:
    """Stage 4 for one training set: leave out what training cannot use."""
    source, out = options.raw / "org" / name, options.raw / name
    texts = [options.src_text, options.tgt_text]
    return Stage(
        number=4,
        name=f"remove bad items of {name}",
        run=partial(remove_bad, name=name),
        options=options,
        # Beside the set itself, the others: an utterance of this one in them is warned of.
        inputs=[
            *(source / table for table in set_tables(options, source)),
            *present(source / checks.SKIPPED),
            *other_sets(options, name),
        ],
        outputs=[out / table for table in ("wav.scp", "utt2num_samples", *texts, checks.SKIPPED)],
        stamp=out / ".stages" / "4.json",
        skip=skip,
    )


def set_tables(options: RecipeOptions, directory: Path) -> list[str]:
    """The tables of a formatted set: those that each has, and the optional ones that are there."""
    names = ["wav.scp", "utt2num_samples", options.src_text, options.tgt_text, "utt2spk"]
    return names + [extra for extra in (UTT2AUDIO, *OPTIONAL) if extra not in names and (directory / extra).exists()]


def other_sets(options: RecipeOptions, name: str) -> list[Path]:
    """`wav.scp` of the other sets, those that are there."""
    return present(*(formatted_dir(options, other) / "wav.scp" for other in options.every_set if other != name))


def tag_symbols(options: RecipeOptions) -> list[str]:
    """The tags of the serialized output, source before target."""
    tags = Tags(scheme=options.tag_scheme, source_languages=(options.src_lang,), target_languages=(options.tgt_lang,))
    return tags.all()


def limits(options: RecipeOptions) -> checks.Limits:
    """What an utterance of this recipe must keep to."""
    return checks.Limits(
        min_s=options.min_wav_duration,
        max_s=options.max_wav_duration,
        max_chars=options.max_text_chars,
        frame_s=options.encoder_frame_s,
        tags=tuple(tag_symbols(options)),
    )


def remove_bad(options: RecipeOptions, name: str) -> str:
    """Copy the tables of a set without the utterances that a check refuses. Returns the summary.

    Word links that the user gave are checked; it is stage 5 that hands them on, as it does those of an aligner.
    """
    source, out = options.raw / "org" / name, options.raw / name
    tables, problems = checks.read_tables(source, set_tables(options, source))
    problems += list(checks.read_skipped(source))
    before = len(problems)
    texts, limit = (options.src_text, options.tgt_text), limits(options)
    for key, samples in tables["utt2num_samples"].items():
        try:
            check_utterance(key, tables, texts, samples=int(samples), fs=options.fs_hz, limits=limit)
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    bad_keys = {problem.utt_id for problem in problems[before:]}
    tables.pop("alignment", None)
    kept = {name: {k: v for k, v in table.items() if k not in bad_keys} for name, table in tables.items()}
    if not kept["wav.scp"]:
        raise DataError(f"{out}: every utterance was left out (first: {problems[before]})")
    write_tables(out, kept, keep=["alignment"])  # which is stage 5's
    (out / "feats_type").write_text("raw\n", encoding="utf-8")
    checks.write_skipped(out, problems)
    return "; ".join([summary(len(kept["wav.scp"]), problems), *_leaks(options, name, kept["wav.scp"])])


def _leaks(options: RecipeOptions, name: str, wav: dict[str, str]) -> list[str]:
    """Warnings on test or validation utterances that this set holds too."""
    found = {path.parent.name: kaldi.read_table(path) for path in other_sets(options, name)}
    return [f"WARNING: {note}" for other in found for note in checks.check_leaks({name: wav, other: found[other]})]


def summary(
    kept: int, problems: Sequence[Problem], changed: Mapping[str, int] | None = None, *, listed: str = checks.SKIPPED
) -> str:
    """One line: how many were kept, changed and left out, and where the list is."""
    parts = [f"{kept} utterances"]
    parts += [f"{count} {what}" for what, count in sorted((changed or {}).items())]
    if problems:
        left_out = len({problem.utt_id for problem in problems})
        parts.append(f"{left_out} left out (listed in {listed}; first: {problems[0]})")
    return ", ".join(parts)
