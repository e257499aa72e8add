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
from espnet_jst.recipe.audio import Formatted, format_shard
from espnet_jst.recipe.command import python, run_logged
from espnet_jst.recipe.options import RecipeOptions
from espnet_jst.recipe.pool import run_shards, split
from espnet_jst.recipe.stage import Stage
from espnet_jst.text.tags import Tags

SHARD = 200


def prepare_stages(options: RecipeOptions) -> Iterator[Stage]:
    """Stages 1-4, each made when the one before has run: its inputs depend on what is there by then."""
    if options.speed_perturb_factors:
        raise ConfigError("--speed_perturb_factors is not used: set speed and speed_prob in preprocessor_conf instead")
    skip = "--skip_data_prep" if options.skip_data_prep else ""
    yield local_data_stage(options, skip)
    off = skip or "speed is varied in training, see preprocessor_conf"
    yield Stage(number=2, name="speed perturbation", run=lambda: None, skip=off)
    for name in options.every_set:
        yield format_stage(options, name, skip)
    for name in options.training_sets:
        yield remove_stage(options, name, skip)


def local_data_stage(options: RecipeOptions, skip: str) -> Stage:
    """Stage 1: `local/data.py` (or `local/data.sh`) writes the data directories, or `--corpus_dir` is split."""
    script = next((path for path in (Path("local/data.py"), Path("local/data.sh")) if path.is_file()), None)
    data = Path(options.datadir)
    tables = [data / name / "wav.scp" for name in options.every_set]

    if options.corpus_dir:
        from espnet_jst.recipe.own_corpus import split_corpus

        return Stage(
            number=1,
            name="split the corpus",
            run=lambda: split_corpus(options),
            inputs=sorted(path for path in Path(options.corpus_dir).glob("*") if path.is_file()),
            outputs=tables,
            options={"shares": f"{options.valid_share} {options.test_share}"},
            stamp=data / ".stages" / "1.json",
            skip=skip,
        )

    def run() -> str | None:
        if script is None:
            raise ConfigError("the recipe has no local/data.py: write one, give --corpus_dir, or start with --stage 3")
        start = python(script, "--data_dir", data) if script.suffix == ".py" else ["bash", str(script)]
        run_logged([*start, *shlex.split(options.local_data_opts)], data / "local_data.log")
        return None

    return Stage(
        number=1,
        name="local data",
        run=run,
        # The code that makes the data is an input too: another composition is other data.
        inputs=sorted(Path("local").glob("*.py")) if script else (),
        outputs=tables,
        options={"local_data_opts": options.local_data_opts},
        stamp=data / ".stages" / "1.json",
        skip=skip,
    )


def formatted_dir(options: RecipeOptions, name: str) -> Path:
    """Where stage 3 writes a set: training sets wait in `org` for stage 4, as in ESPnet."""
    return options.raw / "org" / name if name in options.training_sets else options.raw / name


def format_stage(options: RecipeOptions, name: str, skip: str) -> Stage:
    """Stage 3 for one set."""
    source, out = Path(options.datadir) / name, formatted_dir(options, name)
    texts = [options.src_text, options.tgt_text]
    extras = [source / extra for extra in (*OPTIONAL, "segments") if (source / extra).exists()]
    return Stage(
        number=3,
        name=f"format audio of {name}",
        run=lambda: format_set(options, name),
        inputs=[source / "wav.scp", *(source / text for text in texts), *extras],
        outputs=[out / "wav.scp", out / "utt2num_samples", *(out / text for text in texts)],
        options={"fs": options.fs_hz, "strict_fs": options.strict_fs, "audio_format": options.audio_format},
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
    chosen: dict[str, dict[str, object]] = {"wav.scp": dict(result.wav), "utt2num_samples": dict(result.samples)}
    for name, table in tables.items():
        # A line that an optional file lacks says "unknown"; an empty value would stop ESPnet's data set.
        filler = {key: key if name == "utt2spk" else "-" for key in keep}
        chosen[name] = {**filler, **{key: value for key, value in table.items() if key in keep}}
    kaldi.write_data_dir(out, chosen)
    (out / "feats_type").write_text("raw\n", encoding="utf-8")


def remove_stage(options: RecipeOptions, name: str, skip: str) -> Stage:
    """Stage 4 for one training set: leave out what training cannot use."""
    source, out = options.raw / "org" / name, options.raw / name
    return Stage(
        number=4,
        name=f"remove bad items of {name}",
        run=lambda: remove_bad(options, name),
        inputs=[source / "wav.scp", source / options.src_text, source / options.tgt_text],
        outputs=[out / "wav.scp", out / checks.SKIPPED],
        options={"limits": repr(limits(options)), "fs": options.fs_hz},
        stamp=out / ".stages" / "4.json",
        skip=skip,
    )


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
    """Copy the tables of a set without the utterances that a check refuses. Returns the summary."""
    source, out = options.raw / "org" / name, options.raw / name
    names = ["wav.scp", "utt2num_samples", options.src_text, options.tgt_text, "utt2spk"]
    names += [extra for extra in OPTIONAL if extra not in names and (source / extra).exists()]
    tables, problems = checks.read_tables(source, names)
    problems += list(checks.read_skipped(source))
    before = len(problems)
    texts, limit = (options.src_text, options.tgt_text), limits(options)
    for key, samples in tables["utt2num_samples"].items():
        try:
            check_utterance(key, tables, texts, samples=int(samples), fs=options.fs_hz, limits=limit)
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    bad_keys = {problem.utt_id for problem in problems[before:]}
    kept = {name: {k: v for k, v in table.items() if k not in bad_keys} for name, table in tables.items()}
    if not kept["wav.scp"]:
        raise DataError(f"{out}: every utterance was left out (first: {problems[before]})")
    kaldi.write_data_dir(out, kept)
    (out / "feats_type").write_text("raw\n", encoding="utf-8")
    checks.write_skipped(out, problems)
    return "; ".join([summary(len(kept["wav.scp"]), problems), *_leaks(options, name, kept["wav.scp"])])


def _leaks(options: RecipeOptions, name: str, wav: dict[str, str]) -> list[str]:
    """Warnings on test or validation utterances that this set holds too."""
    others = [other for other in options.every_set if other != name]
    tables = {other: formatted_dir(options, other) / "wav.scp" for other in others}
    found = {other: kaldi.read_table(path) for other, path in tables.items() if path.exists()}
    return [f"WARNING: {note}" for other in found for note in checks.check_leaks({name: wav, other: found[other]})]


def summary(kept: int, problems: Sequence[Problem], changed: Mapping[str, int] | None = None) -> str:
    """One line: how many were kept, changed and left out, and where the list is."""
    parts = [f"{kept} utterances"]
    parts += [f"{count} {what}" for what, count in sorted((changed or {}).items())]
    if problems:
        left_out = len({problem.utt_id for problem in problems})
        parts.append(f"{left_out} left out (listed in {checks.SKIPPED}; first: {problems[0]})")
    return ", ".join(parts)
