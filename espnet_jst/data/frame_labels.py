"""Labels of stretches of speech, such as phones: from a CTM, or from Kaldi text with a label a frame."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path

from espnet_jst.data.kaldi import printable, read_table
from espnet_jst.errors import DataError

FORMATS = ("auto", "ctm", "text")
TOLERANCE_S = 0.1  # encoders leave out up to a frame at the end, aligners round
OVERLAP = 20_000  # microseconds
SECOND = 1_000_000


@dataclass(frozen=True)
class Labels:
    """Labels of an utterance, in order.

    Attributes:
        starts, ends: microseconds, whole numbers, so that a time on a border is on the same side in every utterance.
        names: the labels.
        complete: whether they reach to the end of the utterance; a CTM may stop before.
    """

    starts: Sequence[int]
    ends: Sequence[int]
    names: Sequence[str]
    complete: bool

    def of_frames(self, frames: int, hop_s: float) -> list[str | None]:
        """The label in the middle of each frame; None where there is none."""
        found: list[str | None] = []
        for frame in range(frames):
            middle = round((frame + 0.5) * hop_s * SECOND)
            place = bisect_right(self.starts, middle) - 1
            found.append(self.names[place] if place >= 0 and middle < self.ends[place] else None)
        return found

    def too_long_s(self, frames: int, hop_s: float) -> float:
        """Seconds by which the labels differ from so many frames; 0 within the tolerance."""
        apart = (self.ends[-1] if self.ends else 0) / SECOND - frames * hop_s
        return apart if apart > TOLERANCE_S or (self.complete and apart < -TOLERANCE_S) else 0.0


def read_labels(path: str | Path, hop_s: float, layout: str = "auto") -> dict[str, Labels]:
    """Labels of every utterance of a file.

    Args:
        path: a CTM, lines of `utterance channel start duration label [confidence]` with times in seconds, and comments
            behind `;;`; or Kaldi text, `utterance label label ...`.
        hop_s: seconds of a label of Kaldi text.
        layout: ctm or text; auto goes by the ending `.ctm`.

    Raises:
        DataError: the file is missing, or a line is something else; the message names it.
    """
    path = Path(path)
    if layout == "ctm" or (layout == "auto" and path.suffix == ".ctm"):
        return _read_ctm(path)
    found: dict[str, Labels] = {}
    for key, line in read_table(path).items():
        names = line.split()
        borders = [round(place * hop_s * SECOND) for place in range(len(names) + 1)]
        found[key] = Labels(borders[:-1], borders[1:], names, complete=True)
    return found


def _read_ctm(path: Path) -> dict[str, Labels]:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    rows: dict[str, list[tuple[int, int, str]]] = {}
    channels: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not valid UTF-8 ({error.reason})") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith(";;"):
            continue
        times = _times(words)
        if times is None:
            raise DataError(
                f"{path}:{number}: {printable(line[:80])!r} is no line of a CTM: utterance channel start duration label"
            )
        key, channel = words[:2]
        if channels.setdefault(key, channel) != channel:
            raise DataError(f"{path}:{number}: {printable(key)} has labels of channels {channels[key]} and {channel}")
        rows.setdefault(key, []).append((*times, words[4]))
    return {key: _in_order(key, sorted(own), path) for key, own in rows.items()}


def _times(words: Sequence[str]) -> tuple[int, int] | None:
    """Start and end of a line, in microseconds; None of a line that is something else."""
    try:
        start, duration = float(words[2]), float(words[3])
    except (ValueError, IndexError):
        return None
    if len(words) not in (5, 6) or not (isfinite(start) and isfinite(duration) and start >= 0 and duration >= 0):
        return None
    return round(start * SECOND), round((start + duration) * SECOND)


def _in_order(key: str, rows: Sequence[tuple[int, int, str]], path: Path) -> Labels:
    for (_, end, first), (start, _, second) in pairwise(rows):
        if end - start > OVERLAP:
            raise DataError(
                f"{path}: {printable(key)}: {second} begins at {start / SECOND:g} s, before {first} ends "
                f"({end / SECOND:g} s): a frame has one label"
            )
    starts, ends, names = zip(*rows, strict=True)
    return Labels(starts, ends, names, complete=False)
