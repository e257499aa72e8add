"""Stages 2-3: every utterance becomes one readable file of the model's sampling rate and channels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from espnet_jst.data import checks
from espnet_jst.data.simulation.arrays import MOST_MICROPHONES
from espnet_jst.data.texts import Texts, segments_file
from espnet_jst.data.utterances import CHANNELS, AudioItem, optional_tables, read_set
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.jobs.shards import run_shards, split
from espnet_jst.recipe.audio_form import Formatted, format_shard
from espnet_jst.recipe.dump import TABLES, copy_segments, summary, write_tables
from espnet_jst.recipe.options import DataOptions, TextOptions
from espnet_jst.recipe.stage import Stage
from espnet_jst.recipe.stamp import audio_state, present

SHARD = 200


def check(data: DataOptions) -> None:
    """Refuse what is done elsewhere.

    Raises:
        ConfigError: names the option.
    """
    if data.feats_type != "raw":
        raise ConfigError(
            f"--feats_type {data.feats_type}: features are made in the model, from audio: leave it raw, and choose a "
            "frontend in the training configuration"
        )
    if data.speed_perturb_factors:
        raise ConfigError("--speed_perturb_factors is not used: set speed and speed_prob in preprocessor_conf instead")
    _ = data.fs_hz
    if not 0 <= data.audio_channels <= MOST_MICROPHONES:
        raise ConfigError(f"--audio_channels {data.audio_channels}: give 1 to {MOST_MICROPHONES}, as FLAC files have")


def format_stage(data: DataOptions, text: TextOptions, name: str, *, nj: int, skip: str) -> Stage:
    """Stage 3 for one set."""
    source, out = Path(data.datadir) / name, data.formatted(name)
    given = text.files.found_in(source)
    optional = (*optional_tables(given), "segments", CHANNELS, *map(segments_file, given.names))
    extras = present(*(source / extra for extra in optional))
    return Stage(
        number=3,
        name=f"format audio of {name}",
        run=partial(format_set, source, out, text.files, nj=nj),
        uses={
            "fs": data.fs_hz,
            "strict_fs": data.strict_fs,
            "audio_format": data.audio_format,
            # What was made before several channels could be taken is not made again.
            **({"channels": data.channels} if data.channels > 1 else {}),
        },
        inputs=[source / "wav.scp", *(source / table for table in given.names), *extras],
        outputs=[out / table for table in (*TABLES, *text.files.names, checks.SKIPPED, "data")],
        facts=lambda: {"audio": audio_state(source / "wav.scp")},
        stamp=out / ".stages" / "3.json",
        skip=skip,
    )


def format_set(
    source: Path,
    out: Path,
    texts: Texts,
    *,
    nj: int = 1,
    fs: int,
    strict_fs: bool = False,
    audio_format: str = "flac",
    channels: int = 1,
) -> str:
    """Read a data directory, bring its audio into form, write the dump directory. Returns the summary.

    Args:
        texts: names of the texts in the dump directory, and in the data directory unless its one text is "text".
        fs: sampling rate of the model in Hz.
        strict_fs: leave out audio of another rate.
        channels: that the model takes.

    Raises:
        DataError: no utterance is left.
    """
    given = texts.found_in(source)
    data = read_set(source, *given)
    if not data.items:
        counts = ", ".join(f"{file} {count}" for file, count in data.lines.items())
        first = f" (first problem: {data.problems[0]})" if data.problems else ""
        raise DataError(f"{source}: no utterance is in every file ({counts} lines){first}; use the same keys in all")
    tables = {"utt2spk": {item.utt_id: item.utt_id for item in data.items}, **data.tables}
    names = dict(zip(given.names, texts.names, strict=True))
    tables = {names.get(name, name): table for name, table in tables.items()}
    work = partial(
        format_shard, out=out / "data", fs=fs, strict_fs=strict_fs, audio_format=audio_format, channels=channels
    )
    result = _format_audio(data.items, out, work, nj)
    problems = data.problems + result.problems
    result.changed.update(f"mended ({remark.kind})" for remark in data.remarks)
    _write_set(out, result, tables)
    copy_segments(source, out, names, result.wav)
    checks.write_skipped(out, problems)
    return summary(len(result.wav), problems, result.changed)


def _format_audio(items: list[AudioItem], out: Path, work: partial[Formatted], nj: int) -> Formatted:
    (out / "data").mkdir(parents=True, exist_ok=True)
    result = Formatted()
    for part in run_shards(work, split(items, SHARD), nj=nj, title=out.name):
        result.add(part)
    if not result.wav:
        first = f" (first: {result.problems[0]})" if result.problems else ""
        raise DataError(f"{out.name}: no utterance can be used{first}")
    return result


def _write_set(out: Path, result: Formatted, tables: dict[str, dict[str, str]]) -> None:
    keep = set(result.wav)
    made = (result.wav, result.samples, result.digests)
    chosen: dict[str, Mapping[str, object]] = dict(zip(TABLES, made, strict=True))
    for name, table in tables.items():
        # A line that an optional file lacks says "unknown"; an empty value would stop ESPnet's data set.
        filler = {key: key if name == "utt2spk" else "-" for key in keep}
        chosen[name] = {**filler, **{key: value for key, value in table.items() if key in keep}}
    write_tables(out, chosen)
