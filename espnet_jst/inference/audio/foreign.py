"""What a user has for an audio file: paths, pipes, file objects, and by ffmpeg what libsndfile does not read."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard, TypeVar, cast

from espnet_jst.data.audio_file import AudioFile
from espnet_jst.data.audio_source import blame, is_command, what_it_is
from espnet_jst.data.bad_item import AGAIN, BadItem
from espnet_jst.data.piped_wave import PipedWave, piped_wave, raw_wave

STDIN = "-"
_Audio = TypeVar("_Audio", AudioFile, PipedWave)
FFMPEG_S = 3600  # a conversion that takes longer hangs


def open_audio(
    speech: object, name: str = "", raw_fs: int | None = None, raw_channels: int = 1, *, convert: bool = True
) -> AudioFile | PipedWave:
    """Open a path, "-" (standard input), a pipe, bytes or a binary file object; the caller closes it.

    A wave in what cannot seek is decoded as it comes; anything else is copied first. What libsndfile does not read
    (M4A, WebM and so on) is converted by ffmpeg where it is on the path.

    Args:
        speech: what to open.
        name: what messages call it.
        raw_fs: standard input, pipes and file objects hold samples of 16 bits without a header, at this rate in Hz.
        raw_channels: of those samples, which take turns.
        convert: let ffmpeg try what libsndfile does not read. Not for a stranger's bytes: some formats name files.

    Raises:
        BadItem: nothing there, or nothing in it that can be read.
    """
    with ExitStack() as stack:
        is_stdin = _is_path(speech) and speech == STDIN
        name = name or ("standard input" if is_stdin else str(speech) if _is_path(speech) else "the recording")
        source = _source(speech, stack, name, raw_fs, raw_channels)
        try:
            if isinstance(source, PipedWave):
                return _owning(source, stack)
            return _owning(AudioFile(source, name=name), stack)
        except BadItem as bad:
            if not convert:
                raise
            _check_ffmpeg(bad, source)
            return _owning(AudioFile(_converted(source, name, stack), name=name), stack)


def check_header(speech: object) -> None:
    """Look at the header of a plain file; what a pipe holds, and what only ffmpeg reads, is seen when it is opened.

    Raises:
        BadItem: as `open_audio`.
    """
    with ExitStack() as stack:
        if not _is_path(speech) or speech == STDIN or _is_pipe(Path(speech)):
            return
        source = _source(speech, stack, str(speech))
        try:
            stack.enter_context(AudioFile(source))
        except BadItem as bad:
            _check_ffmpeg(bad, source)


def _check_ffmpeg(bad: BadItem, source: Any) -> None:
    """Raise the error again unless ffmpeg may read what libsndfile does not, and is there."""
    if bad.kind != "audio-unreadable" or _is_text(source):
        raise bad
    if shutil.which("ffmpeg") is None:
        raise BadItem(bad.reason, f"{bad.fix}; with ffmpeg on the path it would be tried", bad.kind) from None


def _is_pipe(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _owning(audio: _Audio, stack: ExitStack) -> _Audio:
    """The audio file, which closes what it was made from when it is closed."""
    kept = stack.pop_all()
    kept.callback(audio.close)
    audio.close = kept.close  # type: ignore[method-assign]
    return audio


def _is_path(speech: object) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(speech, (str, os.PathLike))


def _source(speech: object, stack: ExitStack, name: str, raw_fs: int | None = None, raw_channels: int = 1) -> Any:
    """What AudioFile takes, a plain file's path, bytes, or a stream that can seek; or a wave that comes in a pipe."""
    if not _is_path(speech):
        if isinstance(speech, (bytes, bytearray, memoryview)):
            return speech
        return _seekable(speech, stack, name, raw_fs, raw_channels)
    if speech == STDIN:
        if sys.stdin is None:
            raise BadItem(f"{name}: it is closed", "give a file, or a pipe into it", "audio-missing")
        return _seekable(sys.stdin.buffer, stack, name, raw_fs, raw_channels)
    path = Path(speech)
    if is_command(path):
        raise BadItem(
            f"{path}: a command, not a file", "write its output to a file (espnet-jst convert-pipes)", "audio-command"
        )
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        fix = "check the path; a relative one starts at the current folder"
        raise BadItem(f"{path}: no such file", fix, "audio-missing") from None
    if stat.S_ISDIR(mode):
        raise BadItem(f"{path}: a folder", "give the files in it", "audio-missing")
    if stat.S_ISREG(mode):
        return path
    try:
        return _seekable(stack.enter_context(path.open("rb")), stack, name, raw_fs, raw_channels)
    except OSError as error:
        raise BadItem(f"{path}: cannot be read ({error.strerror})", "check the pipe", "audio-unreadable") from None


def _seekable(stream: Any, stack: ExitStack, name: str, raw_fs: int | None = None, raw_channels: int = 1) -> Any:
    """The stream; of one that cannot seek the wave in it, or a copy on disk: other formats are read from both ends."""
    if raw_fs:
        return raw_wave(stream, name, raw_fs, raw_channels)
    head = stream.read(0)
    if isinstance(head, str):
        raise BadItem("a file object of text", 'open it with "rb"', "audio-unreadable")
    if hasattr(stream, "seekable") and stream.seekable():
        return stream
    with blame(name, "cannot be read", "audio-unreadable"):
        found = piped_wave(stream, name)
        if isinstance(found, PipedWave):
            return found
        copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        copy.write(found)
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        return copy


def _is_text(source: Any) -> bool:
    """Text, for example a pointer of Git LFS, which no converter reads."""
    with ExitStack() as stack:
        said = what_it_is(_stream(source, stack))
    return "text" in said or "pointer" in said


def _stream(source: Any, stack: ExitStack) -> Any:
    if isinstance(source, Path):
        return stack.enter_context(source.open("rb"))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    source.seek(0)
    return source


def _converted(source: Any, name: str, stack: ExitStack) -> BinaryIO:
    """A WAV file by ffmpeg."""
    path = source
    if not isinstance(source, Path):
        copy = stack.enter_context(tempfile.NamedTemporaryFile())  # noqa: SIM115
        with ExitStack() as own:
            shutil.copyfileobj(_stream(source, own), copy)
        copy.flush()
        path = Path(copy.name)
    wav = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    # file: keeps a name such as "concat:..." from being a protocol, and only local files may be opened by it.
    command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]
    try:
        done = subprocess.run(
            [*command, "-map", "0:a:0", "-f", "wav", "-"], stdout=wav, stderr=subprocess.PIPE, timeout=FFMPEG_S
        )
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        failed = done.returncode != 0 or wav.seek(0, os.SEEK_END) == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, failed = [str(error)], True
    if failed:
        reason = f"{name}: neither libsndfile nor ffmpeg can read it ({said[-1] if said else 'no audio in it'})"
        raise BadItem(reason, "convert it to WAV or FLAC, or get the real file", "audio-unreadable")
    if said:  # it goes on without what is missing, and calls that a success
        raise BadItem(f"{name}: ffmpeg finds it cut short or damaged ({said[0]})", AGAIN, "audio-damaged")
    return cast(BinaryIO, wav)
