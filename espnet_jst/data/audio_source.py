"""Where audio comes from: paths, bytes, streams; and whose fault it is when that fails."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from espnet_jst.data.bad_item import AGAIN, BadItem
from espnet_jst.errors import JSTError

UNSHORTEN = "sph2pipe -f wav FILE.sph FILE.wav decompresses it"

Source = str | os.PathLike | bytes | bytearray | memoryview | BinaryIO
"""A path, the bytes of a file, or a binary file object (what cannot seek is copied first)."""


@contextmanager
def blame(name: str, what: str, kind: str) -> Iterator[None]:
    """Whatever a library raises in here becomes an error of the named item."""
    try:
        yield
    except BadItem as bad:
        if bad.reason.startswith(name):
            raise
        raise BadItem(f"{name}: {bad.reason}", bad.fix, bad.kind) from None
    except JSTError:
        raise
    except MemoryError:
        raise BadItem(f"{name}: {what} (not enough memory)", "cut it into pieces", kind) from None
    except OSError as error:
        fix = "check its permissions, and the disk or the connection"
        raise BadItem(f"{name}: cannot be read ({error.strerror or error})", fix, "audio-missing") from None
    except Exception as error:
        fix = AGAIN if kind == "audio-damaged" else "convert it to WAV or FLAC, or get the real file"
        raise BadItem(f"{name}: {what} ({str(error) or type(error).__name__})", fix, kind) from None


def opened(source: Source) -> tuple[BinaryIO, bool]:
    """A stream that can seek, and whether it is a file."""
    if isinstance(source, str | os.PathLike):
        if is_command(source):
            fix = "run such commands once: espnet-jst convert-pipes DIR OUT makes a data directory of files"
            raise BadItem("wav.scp holds the command, not a file", fix, "audio-command")
        if not _is_file(Path(source)):
            fix = "correct wav.scp (relative paths start at the folder in which the command runs)"
            raise BadItem("no such file", fix, "audio-missing")
        return open(source, "rb"), True
    if isinstance(source, bytes | bytearray | memoryview):
        return io.BytesIO(source), False
    if getattr(source, "seekable", lambda: False)():
        return source, False
    copy = tempfile.TemporaryFile()  # noqa: SIM115  closed with the AudioFile
    shutil.copyfileobj(source, copy)
    return copy, False


def file_state(stream: BinaryIO) -> tuple[int, ...]:
    """What tells a file from others, and from what it was before."""
    state = os.fstat(stream.fileno())
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def is_command(path: str | os.PathLike) -> bool:
    """True for a line of a Kaldi `wav.scp` that is a command whose output is the audio."""
    return str(path).rstrip().endswith("|")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name longer than the file system takes, or with a zero byte
        return False


def what_it_is(stream: BinaryIO) -> str:
    """What a file is that libsndfile does not read, where its first bytes tell."""
    stream.seek(0)
    head = stream.read(256)
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS: git lfs pull gets the file"
    if head.startswith(b"NIST_1A") and b"shorten" in head + stream.read(1024):
        return f"NIST SPHERE compressed with shorten: {UNSHORTEN}"
    if head[4:8] == b"ftyp":
        return "MP4 or M4A"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "WebM or Matroska"
    return "it is text" if all(32 <= byte < 255 or byte in b"\t\r\n" for byte in head) else ""
