"""Audio files as data preparation sees them: readable to the last sample, or an error that says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from espnet_jst.errors import DataError

UNKNOWN_WAV_SIZES = (0, 0xFFFFFFFF)  # what programs write that do not know the length in advance
AGAIN = "copy or download it again"


class BadItem(DataError):
    """An item that must be left out.

    Attributes:
        reason: what is wrong.
        fix: what to do.
        kind: short name of this sort of problem, the same in every version ("audio-empty").
    """

    def __init__(self, reason: str, fix: str, kind: str = "other") -> None:
        super().__init__(f"{reason}; {fix}")
        self.reason = reason
        self.fix = fix
        self.kind = kind

    def __reduce__(self) -> tuple:
        # Worker processes send it back; by default it would be made anew from its message alone.
        return type(self), (self.reason, self.fix, self.kind)


@dataclass(frozen=True)
class AudioInfo:
    """Header of an audio file: sampling rate in Hz, channels, samples a channel, container and coding as libsndfile
    names them ("WAV", "PCM_24")."""

    fs: int
    channels: int
    samples: int
    form: str
    coding: str


@dataclass(frozen=True)
class Piece:
    """Samples `start` to `stop` of a file."""

    path: Path
    info: AudioInfo
    start: int
    stop: int

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.stop - self.start


def inspect(path: str | Path) -> AudioInfo:
    """Read the header, without the samples.

    Raises:
        BadItem: missing, empty, header only, cut short, or a format that libsndfile does not know.
    """
    path = Path(path)
    if not _is_file(path):
        fix = "correct wav.scp (relative paths start at the folder in which the command runs)"
        raise BadItem(f"{path}: no such file", fix, "audio-missing")
    if path.stat().st_size == 0:
        raise BadItem(f"{path}: the file is empty (0 bytes)", AGAIN, "audio-empty")
    try:
        header = soundfile.info(str(path))
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:  # TypeError: headerless .raw
        reason = f"{path}: not readable as audio ({_what_it_is(path) or error})"
        raise BadItem(reason, "convert it to WAV or FLAC, or get the real file", "audio-unreadable") from None
    if header.frames <= 0:
        raise BadItem(f"{path}: a header without samples", "copy, download or record it again", "audio-header-only")
    if _is_cut_short(path, header.format):
        raise BadItem(f"{path}: the file ends before its header says", AGAIN, "audio-truncated")
    return AudioInfo(header.samplerate, header.channels, header.frames, header.format, header.subtype)


def locate(path: str | Path, *, start_s: float = 0.0, end_s: float = -1.0) -> Piece:
    """The samples between two times, without reading them.

    Args:
        path: a file that libsndfile reads.
        start_s: first second.
        end_s: end in seconds; -1 for the end of the file.

    Raises:
        BadItem: as `inspect`, and for times outside the file.
    """
    info = inspect(path)
    start = round(start_s * info.fs)
    stop = info.samples if end_s == -1 else round(end_s * info.fs)
    # Half a second of slack: times rounded by other programs often end just after the file.
    if start >= info.samples or stop > info.samples + info.fs // 2:
        length_s = info.samples / info.fs
        raise BadItem(
            f"{path}: the segment {start_s:.2f}-{end_s:.2f} s lies outside the file ({length_s:.2f} s)",
            "correct its line in segments",
            "segment-outside",
        )
    return Piece(Path(path), info, start, min(stop, info.samples))


def read_piece(piece: Piece) -> np.ndarray:
    """All samples of a piece, float32 (N, C).

    Raises:
        BadItem: damaged data, NaN or infinity.
    """
    path = piece.path
    try:
        samples, _ = soundfile.read(str(path), start=piece.start, stop=piece.stop, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise BadItem(f"{path}: damaged audio data ({error})", AGAIN, "audio-damaged") from None
    if len(samples) < piece.samples:
        raise BadItem(f"{path}: {len(samples)} of {piece.samples} samples can be decoded", AGAIN, "audio-truncated")
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad:
        raise BadItem(f"{path}: {bad} samples are NaN or infinite", "convert it again from its source", "audio-nan")
    return samples


def read(path: str | Path, *, start_s: float = 0.0, end_s: float = -1.0) -> tuple[np.ndarray, int]:
    """Read all samples, or those between two times.

    Args:
        path: a file that libsndfile reads.
        start_s: first second to read.
        end_s: end in seconds; -1 for the end of the file.

    Returns:
        samples: float32 (N, C).
        fs: sampling rate in Hz.

    Raises:
        BadItem: as `locate` and `read_piece`.
    """
    piece = locate(path, start_s=start_s, end_s=end_s)
    return read_piece(piece), piece.info.fs


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the file system takes
        return False


def _what_it_is(path: Path) -> str:
    """What a file is that libsndfile does not read, where its first bytes tell."""
    with open(path, "rb") as stream:
        head = stream.read(256)
    if head.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS: git lfs pull gets the file"
    if head[4:8] == b"ftyp":
        return "MP4 or M4A"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "WebM or Matroska"
    return "it is text" if all(byte >= 32 or byte in b"\t\r\n" for byte in head) else ""


def _is_cut_short(path: Path, form: str) -> bool:
    """True where the container promises more bytes than the file has (libsndfile reads such files silently)."""
    size = path.stat().st_size
    with open(path, "rb") as stream:
        if form in ("WAV", "WAVEX"):
            stream.seek(12)
            while len(head := stream.read(8)) == 8:
                length = int.from_bytes(head[4:], "little")
                if head[:4] == b"data":
                    return length not in UNKNOWN_WAV_SIZES and stream.tell() + length > size
                stream.seek(length + length % 2, 1)
        elif form == "AIFF":
            return int.from_bytes(stream.read(8)[4:], "big") + 8 > size
        elif form == "OGG":
            stream.seek(max(0, size - 65536))
            tail = stream.read()
            page = tail.rfind(b"OggS")
            return 0 <= page < len(tail) - 5 and not tail[page + 5] & 4  # the flag of the stream's last page
    return False
