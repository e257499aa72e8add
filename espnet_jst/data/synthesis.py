"""Recordings of texts by a speech synthesizer that the user has: a command, called once for each text."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zlib import crc32

from espnet_jst.config import shown
from espnet_jst.data import audio_file, kaldi
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem, write_skipped
from espnet_jst.data.names import file_name
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.jobs.shards import run_shards, split_evenly

_PLACE = re.compile(r"\{(?:text|wav|voice)\}")
TAIL = 200  # characters of what a command that failed has said
LEAST_S = 0.05  # a recording that is shorter says nothing


@dataclass(frozen=True)
class Synthesizer:
    """A command without a shell.

    Attributes:
        words: of the command; `{wav}` is the file to write, `{text}` the text, else it goes to standard input,
            `{voice}` one of the voices.
        voices: each text has one, always the same.
        timeout_s: seconds that a text may take.
    """

    words: tuple[str, ...]
    voices: tuple[str, ...] = ()
    timeout_s: float = 60.0

    @classmethod
    def read(cls, command: str, voices: Sequence[str] = (), timeout_s: float = 60.0) -> Synthesizer:
        """A command as a user types it.

        Raises:
            ConfigError: it cannot be read, says no file, or has voices and no place for them.
        """
        try:
            words = tuple(shlex.split(command))
        except ValueError as error:
            raise ConfigError(f"--tts_command {shown(command)}: {error}") from error
        if not words or not any("{wav}" in word for word in words):
            raise ConfigError(f"--tts_command {shown(command)}: put {{wav}} where it takes the file to write")
        if bool(voices) != any("{voice}" in word for word in words):
            raise ConfigError(f"--tts_command {shown(command)}: {{voice}} and --voices go together")
        return cls(words, tuple(voices), timeout_s)

    def voice(self, key: str) -> str:
        """That of an utterance; where there are none, the command's name."""
        return self.voices[crc32(key.encode()) % len(self.voices)] if self.voices else Path(self.words[0]).name

    def path(self, folder: Path, key: str, text: str) -> Path:
        """The recording of a text, by all that it is made from."""
        made = "\0".join([*self.words, self.voice(key), text])
        return folder / f"{file_name(key)}-{hashlib.sha256(made.encode()).hexdigest()[:8]}.wav"

    def speak(self, key: str, text: str, path: Path) -> None:
        """Write a recording, complete or not at all.

        Raises:
            BadItem: the command failed, took too long, or wrote no audio.
        """
        part = path.with_suffix(".part.wav")
        values = {"{text}": text, "{wav}": str(part), "{voice}": self.voice(key)}
        stdin = None if any("{text}" in word for word in self.words) else text
        words = [_PLACE.sub(lambda found: values[found[0]], word) for word in self.words]
        fix = "run the command by hand, or leave the text out"
        try:
            done = subprocess.run(
                words, input=stdin, capture_output=True, text=True, timeout=self.timeout_s, check=False
            )
        except FileNotFoundError:
            raise BadItem(f"there is no command {words[0]}", "install it", "synthesis-failed") from None
        except subprocess.TimeoutExpired:
            raise BadItem(f"the synthesizer took over {self.timeout_s:g} s", fix, "synthesis-failed") from None
        except (OSError, ValueError) as error:
            raise BadItem(f"the synthesizer cannot be called ({error})", fix, "synthesis-failed") from None
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-TAIL:]
            raise BadItem(f"the synthesizer ended with {done.returncode} ({said})", fix, "synthesis-failed")
        if not part.is_file():
            raise BadItem("the synthesizer wrote no file", fix, "synthesis-failed")
        info = audio_file.inspect(part)
        if info.samples is not None and info.samples < LEAST_S * info.fs:
            raise BadItem(f"the synthesizer wrote {info.samples} samples", fix, "synthesis-failed")
        part.replace(path)


def synthesize(source: Path, out: Path, spoken: str, synthesizer: Synthesizer, *, nj: int = 1) -> str:
    """A data directory with a recording of each text of another; what is there already is not made again.

    Args:
        source: folder of texts, all of which (text.*) are handed on.
        spoken: the file of the text that is spoken.

    Raises:
        DataError: the file is missing, or no text could be spoken.
    """
    texts = kaldi.read_table(source / spoken)
    audio = out / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    shards = split_evenly([(key, text, synthesizer.path(audio, key, text)) for key, text in texts.items()], 8 * nj)
    problems = [
        p for found in run_shards(partial(_speak, synthesizer), shards, nj=nj, title="synthesis") for p in found
    ]
    failed = {problem.utt_id for problem in problems}
    kept = [key for key in texts if key not in failed]
    if not kept:
        raise DataError(f"{source / spoken}: no text could be spoken (first: {problems[0] if problems else 'none'})")
    tables = {path.name: kaldi.read_table(path) for path in sorted(source.glob("text.*")) if path.is_file()}
    lines = {name: {key: table[key] for key in kept if key in table} for name, table in tables.items()}
    paths = {key: synthesizer.path(audio, key, texts[key]).absolute().as_posix() for key in kept}
    kaldi.write_data_dir(out, {"wav.scp": paths, "utt2spk": {key: synthesizer.voice(key) for key in kept}, **lines})
    write_skipped(out, problems)
    said = f", {len(problems)} left out (first: {problems[0]})" if problems else ""
    return f"{len(kept)} of {len(texts)} texts spoken in {out}{said}"


def _speak(synthesizer: Synthesizer, items: Sequence[tuple[str, str, Path]]) -> list[Problem]:
    problems = []
    for key, text, path in items:
        if path.is_file():
            continue
        try:
            synthesizer.speak(key, text, path)
        except BadItem as bad:
            problems.append(Problem.of(key, bad))
    return problems
