"""The recordings that a command line names, and where their results go."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import ConfigError

STDIN = "-"
MICROPHONE = "\0microphone"  # as no file can be called
SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64"),
    *(".m4a", ".mp4", ".webm", ".mka", ".mkv", ".mov", ".aac", ".wma", ".amr", ".3gp", ".sph"),
)
"""Endings by which a folder's audio files are known."""


@dataclass(frozen=True)
class Input:
    """A recording: what to open, the path of its result without the ending, and why it cannot be used at all."""

    source: str
    stem: Path
    problem: str = ""

    @property
    def name(self) -> str:
        """What messages and documents call it."""
        return {STDIN: "standard input", MICROPHONE: "microphone"}.get(self.source, self.source)

    def output(self, folder: str, ending: str) -> Path:
        """Where its result goes."""
        return Path(folder) / f"{self.stem}.{ending}"


def find_inputs(arguments: Sequence[str]) -> list[Input]:
    """Files as given; of a folder the audio files in it, sorted."""
    found: list[Input] = []
    for argument in arguments:
        path = Path(argument)
        if argument == STDIN:
            twice = any(item.source == STDIN for item in found)
            found.append(Input(STDIN, Path("stdin"), "- stands for it twice, and it can be read once" if twice else ""))
        elif os.path.isdir(argument):
            try:
                inside = sorted(filter(_is_audio, path.iterdir()))
            except OSError as error:
                found.append(Input(argument, path, f"the folder cannot be read ({error.strerror})"))
                continue
            found += [Input(str(file), Path(file.stem)) for file in inside]
            if not inside:
                found.append(Input(argument, path, "no audio file in this folder, and those in it are not searched"))
        else:
            found.append(Input(argument, Path(path.stem)))
    return found


def _is_audio(file: Path) -> bool:
    # What begins with ._ is what macOS leaves beside a file on foreign disks.
    return file.suffix.lower() in SUFFIXES and not file.name.startswith("._") and file.is_file()


def check_outputs(inputs: Sequence[Input], folder: str | None, ending: str) -> None:
    """Make the folders of the results, before hours are spent on what cannot be written.

    Raises:
        ConfigError: two results would be one file, or one cannot be written.
    """
    if folder is None:
        return
    first: dict[Path, Input] = {}
    for item in inputs:
        if item.problem:
            continue
        other = first.setdefault(item.output(folder, ending), item)
        if other is not item:
            raise ConfigError(
                f"{other.name} and {item.name} would both be written to {item.output(folder, ending)}: two files have "
                "the same name and would overwrite each other in --output_dir; run them apart"
            )
    for path, item in first.items():
        try:
            if path.exists() and os.path.exists(item.source) and path.samefile(item.source):
                raise ConfigError(f"{item.name} would be overwritten by its own result; choose another --output_dir")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise ConfigError(f"--output_dir {folder}: {path} is a folder; remove it or choose another")
            with path.open("a") if path.exists() else tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            said = error.strerror or str(error)
            raise ConfigError(f"--output_dir {folder}: {path} cannot be written ({said}); choose another") from error
