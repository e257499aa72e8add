"""Audio files as data preparation sees them: readable to the last sample, or an error that says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from espnet_jst.errors import DataError

UNKNOWN_WAV_SIZES = (0, 0xFFFFFFFF)  # what programs write that do not know the length in advance


class BadItem(DataError):
    """An item that must be left out: `reason` says what is wrong, `fix` what to do."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(f"{reason}; {fix}")
        self.reason = reason
        self.fix = fix

    def __reduce__(self) -> tuple:
        # Worker processes send it back; by default it would be made anew from its message alone.
        return type(self), (self.reason, self.fix)


@dataclass(frozen=True)
class AudioInfo:
    """Header of an audio file: sampling rate in Hz, channels, samples a channel."""

    fs: int
    channels: int
    samples: int


def inspect(path: str | Path) -> AudioInfo:
    """Read the header, without the samples.

    Raises:
        BadItem: missing, empty, header only, cut short, or a format that libsndfile does not know.
    """
    path = Path(path)
    if not path.is_file():
        raise BadItem(f"{path}: no such file", "correct wav.scp (relative paths start at the recipe's folder)")
    if path.stat().st_size == 0:
        raise BadItem(f"{path}: the file is empty (0 bytes)", "copy or download it again")
    try:
        header = soundfile.info(str(path))
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise BadItem(f"{path}: not readable as audio ({error})", "convert it to WAV or FLAC") from None
    if header.frames <= 0:
        raise BadItem(f"{path}: a header without samples", "record, copy or download it again")
    if _is_cut_short(path, header.format):
        raise BadItem(f"{path}: the file ends before its header says", "copy or download it again")
    return AudioInfo(header.samplerate, header.channels, header.frames)


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
        BadItem: as `inspect`, and for damaged data, NaN, infinity, or times outside the file.
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
        )
    stop = min(stop, info.samples)
    try:
        samples, fs = soundfile.read(str(path), start=start, stop=stop, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise BadItem(f"{path}: damaged audio data ({error})", "copy or download it again") from None
    if len(samples) < stop - start:
        raise BadItem(f"{path}: {len(samples)} of {stop - start} samples can be decoded", "copy or download it again")
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad:
        raise BadItem(f"{path}: {bad} samples are NaN or infinite", "convert it again from its source")
    return samples, fs


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
        elif form == "OGG":
            stream.seek(max(0, size - 65536))
            tail = stream.read()
            page = tail.rfind(b"OggS")
            return 0 <= page < len(tail) - 5 and not tail[page + 5] & 4  # the flag of the stream's last page
    return False
