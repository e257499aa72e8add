"""Recordings of a corpus in formats that libsndfile does not read (M4A, WebM): each written once as FLAC, by ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from espnet_jst.data.bad_item import AGAIN
from espnet_jst.data.checks import Problem
from espnet_jst.errors import ConfigError
from espnet_jst.jobs.shards import run_each

TOOL = "ffmpeg"
READ_HERE = (".wav", ".flac", ".ogg", ".opus", ".mp3")  # best first
FS = 16000  # Hz: no model here takes more, and hundreds of hours are to be written
TIMEOUT_S = 3600


def find_recordings(folder: Path) -> dict[str, Path]:
    """Name of each file in lower case, without its ending -> the file, whatever the ending; one read here comes first.

    Raises:
        ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder, where the recordings should be; give that of the unpacked corpus")

    def preference(path: Path) -> tuple[int, str]:
        suffix = path.suffix.lower()
        return READ_HERE.index(suffix) if suffix in READ_HERE else len(READ_HERE), path.name

    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=preference):
        if path.is_file() and not path.name.startswith("."):
            found.setdefault(path.stem.lower(), path)
    return found


def as_read(audio: Mapping[str, Path], folder: Path, *, nj: int = 1) -> tuple[dict[str, Path], list[Problem]]:
    """The recordings as files that are read here: those that are not are written to `folder`, once.

    Args:
        audio: name -> file.
        nj: files at a time.

    Returns:
        name -> file, and those that ffmpeg cannot read or finds damaged, which are left out.

    Raises:
        ConfigError: there is no ffmpeg for them.
    """
    foreign = {name: path for name, path in audio.items() if path.suffix.lower() not in READ_HERE}
    made = {name: folder / f"{name}.flac" for name in foreign}
    waiting = [(path, made[name]) for name, path in sorted(foreign.items()) if not _is_newer(made[name], path)]
    if waiting and shutil.which(TOOL) is None:
        raise ConfigError(
            f"{len(waiting)} of {len(audio)} recordings are in a format that only {TOOL} reads (first: "
            f"{waiting[0][0]}): install it (apt install ffmpeg, conda install ffmpeg), or convert them elsewhere and "
            "put WAV or FLAC files of the same names beside them"
        )
    said = run_each(_convert, waiting, nj=nj, title=f"{TOOL} into {folder}")
    bad = {out.stem: reason for (_, out), reason in zip(waiting, said, strict=True) if reason}
    problems = [Problem(name, reason, AGAIN, "audio-damaged") for name, reason in bad.items()]
    return {name: made.get(name, path) for name, path in audio.items() if name not in bad}, problems


def _is_newer(made: Path, source: Path) -> bool:
    return made.is_file() and made.stat().st_mtime_ns >= source.stat().st_mtime_ns


def _convert(task: tuple[Path, Path]) -> str:
    """Write one file; returns what is wrong with it."""
    source, out = task
    # Under a name of its own until it is whole: a second run may write it at the same time.
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.stem}={uuid4().hex[:8]}.flac")
    # file: keeps a name such as "concat:..." from being a protocol, and only local files may be opened by it.
    command = [TOOL, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{source}"]
    command += ["-map", "0:a:0", "-ac", "1", "-ar", str(FS), "-f", "flac", f"file:{part}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        # It goes on without what is missing, and calls that a success: what it says is damage.
        if done.returncode or lines or not part.is_file():
            return f"{source}: {TOOL} cannot read all of it ({lines[-1] if lines else 'no audio in it'})"
        part.replace(out)
        return ""
    except subprocess.TimeoutExpired:
        return f"{source}: {TOOL} took over {TIMEOUT_S} s"
    finally:
        part.unlink(missing_ok=True)
