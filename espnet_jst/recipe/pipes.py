"""Commands in `wav.scp` ("... |", as Kaldi has them): run once, on request, into audio files that every program reads.

Nothing else runs them: a data directory from elsewhere would be a program from elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

from espnet_jst.data import kaldi
from espnet_jst.data.audio_file import AudioFile
from espnet_jst.data.audio_source import is_command
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import SKIPPED, Problem, write_skipped
from espnet_jst.data.names import file_name
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.jobs.shards import run_shards, split_evenly
from espnet_jst.recipe.audio_form import writing

SHARDS = 8  # of each process: commands differ in how long they take
SHOWN = 300  # characters of a command's last words
SIGPIPE = 128 + signal.SIGPIPE  # a reader that took what it wanted
FORMS = {"WAV": ".wav", "WAVEX": ".wav", "FLAC": ".flac"}
WIDE_CODINGS = ("PCM_32", "FLOAT", "DOUBLE")  # FLAC has 24 bits at most, and 8 channels


@dataclass(frozen=True)
class Pipe:
    """A recording that a command writes."""

    key: str
    command: str

    def __str__(self) -> str:
        return self.key

    def stem(self) -> str:
        """Name of its file: another command is another file."""
        return f"{file_name(self.key)}.{hashlib.sha256(self.command.encode()).hexdigest()[:8]}"


@dataclass
class Converted:
    """What became of some commands: files, how many of them were there already, and problems."""

    files: dict[str, str] = field(default_factory=dict)
    before: int = 0
    problems: list[Problem] = field(default_factory=list)


def find_pipes(directory: str | Path) -> tuple[list[Pipe], dict[str, str]]:
    """The commands in the `wav.scp` of a data directory, and its other lines.

    Raises:
        DataError: there is no such file, or a line cannot be used.
    """
    table = kaldi.read_table(Path(directory) / "wav.scp")
    pipes = [Pipe(key, value.rstrip()[:-1].strip()) for key, value in table.items() if is_command(value)]
    return pipes, {key: value for key, value in table.items() if not is_command(value)}


def convert_pipes(
    pipes: Sequence[Pipe],
    others: Mapping[str, str],
    directory: str | Path,
    out: str | Path,
    *,
    nj: int = 1,
    timeout_s: float = 600.0,
) -> Converted:
    """Run the commands with bash, in the current folder, and write a data directory of files.

    What earlier runs wrote for the same commands is kept. Files are as the commands write them where that is correct
    WAV or FLAC, and otherwise rewritten in their own sampling rate and channels. Recordings that fail are listed in
    `skipped.jsonl` and left out of the new `wav.scp`; the other tables are copied.

    Args:
        others: further lines of `wav.scp`, kept as they are.
        timeout_s: seconds that one may take.

    Raises:
        ConfigError: `out` is `directory`, or there is no bash.
        DataError: no recording is left.
    """
    source, out = Path(directory), Path(out)
    if out.resolve() == source.resolve():
        raise ConfigError(f"{out}: the new directory must be another one than that with the commands")
    if shutil.which("bash") is None:
        raise ConfigError("there is no bash to run the commands with: install it, or use a machine that has it")
    (out / "audio").mkdir(parents=True, exist_ok=True)
    work = partial(_convert_shard, folder=out / "audio", timeout_s=timeout_s)
    result = Converted()
    for part in run_shards(work, split_evenly(pipes, SHARDS * nj), nj=nj, title="running commands"):
        result.files |= part.files
        result.before += part.before
        result.problems += part.problems
    write_skipped(out, result.problems)
    wav = {**others, **result.files}
    if not wav:
        raise DataError(f"{out}: no command gave audio (first: {result.problems[0]}); see {out / SKIPPED}")
    for path in source.iterdir():
        if path.is_file() and path.name not in ("wav.scp", SKIPPED):
            shutil.copyfile(path, out / path.name)
    kaldi.write_table(out / "wav.scp", wav)
    return result


def _convert_shard(pipes: Sequence[Pipe], *, folder: Path, timeout_s: float) -> Converted:
    result = Converted()
    for pipe in pipes:
        there = [path for end in set(FORMS.values()) if (path := folder / f"{pipe.stem()}{end}").is_file()]
        result.before += len(there)
        try:
            result.files[pipe.key] = (there[0] if there else _convert(pipe, folder, timeout_s)).as_posix()
        except BadItem as bad:
            result.problems.append(Problem.of(pipe.key, bad))
    return result


def _convert(pipe: Pipe, folder: Path, timeout_s: float) -> Path:
    raw = folder / f"{pipe.stem()}={uuid4().hex[:8]}"
    part = raw.with_name(f"{raw.name}=part")
    try:
        with open(raw, "wb") as stream:
            _run(pipe.command, stream, timeout_s)
        with AudioFile(raw, name=pipe.command) as audio:
            for _ in audio.blocks():
                pass
            if audio.info.plain and audio.info.form in FORMS:
                path, part = folder / f"{pipe.stem()}{FORMS[audio.info.form]}", raw
            else:
                path = folder / f"{pipe.stem()}{_rewrite(audio, part)}"
        return part.replace(path)
    finally:
        raw.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _rewrite(audio: AudioFile, path: Path) -> str:
    """Write the audio with a header that is right. Returns the ending for its name."""
    info = audio.info
    form, coding = "FLAC", "PCM_24" if info.coding == "PCM_24" else "PCM_16"
    if info.coding in WIDE_CODINGS or info.channels > 8:
        form, coding = "WAV", "FLOAT"
    with writing(path, info.fs, channels=info.channels, coding=coding, form=form) as file:
        for block in audio.blocks():
            file.write(block)
    return FORMS[form]


def _run(command: str, stdout, timeout_s: float) -> None:  # type: ignore[no-untyped-def]
    """Run a command with bash; a failure in the middle of a pipeline is one, too.

    Raises:
        BadItem: it fails, takes too long, or writes nothing.
    """
    start = ["bash", "-o", "pipefail", "-c", command]
    streams = {"stdin": subprocess.DEVNULL, "stdout": stdout, "stderr": subprocess.PIPE}
    with subprocess.Popen(start, start_new_session=True, **streams) as process:
        try:
            _, said = process.communicate(timeout=timeout_s)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            reason = f"the command {command!r} took over {timeout_s:g} s"
            raise BadItem(reason, "give a larger --timeout_s, or look why it waits", "audio-command") from None
    if process.returncode not in (0, SIGPIPE) or not stdout.tell():
        last = said.decode("utf-8", errors="replace").strip().replace("\n", " / ")[-SHOWN:]
        what = f"ends with status {process.returncode}" if process.returncode else "writes nothing"
        raise BadItem(f"the command {command!r} {what} ({last or 'without a word'})", "correct it", "audio-command")
