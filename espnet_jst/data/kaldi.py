"""Kaldi-style data directories: one table a file, one utterance a line, keys sorted as the C locale sorts them."""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from espnet_jst.errors import DataError

OnBad = Callable[[str, str, str, str], None]
"""Receives (utterance, reason, fix, kind) for a line that cannot be used."""


@dataclass(frozen=True)
class Segment:
    """A piece of a recording (one line of `segments`): recording id, start and end in seconds."""

    recording: str
    start_s: float
    end_s: float


def read_table(path: str | Path, *, on_bad: OnBad | None = None) -> dict[str, str]:
    """Read lines of "key value ..." (wav.scp, text, utt2spk, alignment ...).

    Args:
        on_bad: called for a line that is not UTF-8 or repeats a key, which is then left out (of a repeated key the
            first line counts); without it such a line is an error.

    Returns:
        key -> rest of the line, stripped; an empty string for a line that holds only a key. A byte order mark before
        any line is no part of its key.

    Raises:
        DataError: the file is missing or UTF-16, or a line is bad and `on_bad` is None.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file; run the stage that writes it, or give another data directory")
    table: dict[str, str] = {}
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}: UTF-16, which no program reads here; iconv -f utf-16 -t utf-8")
    # Only a line feed ends a line; the carriage return of Windows before it is stripped with the blanks.
    for number, raw in enumerate(content.split(b"\n"), start=1):
        line = without_mark(raw).strip()
        key_bytes, _, value_bytes = line.partition(b" ")
        if not key_bytes:
            continue
        if b"\t" in key_bytes:
            key_bytes, _, value_bytes = line.partition(b"\t")
        key = key_bytes.decode("utf-8", errors="replace")
        reason = fix = kind = ""
        try:
            value = value_bytes.strip().decode("utf-8")
            key_bytes.decode("utf-8")
        except UnicodeDecodeError as error:
            value = ""
            reason = f"{path}:{number}: not valid UTF-8 ({error.reason} in {error.object[error.start : error.end]!r})"
            fix, kind = "save the file as UTF-8, e.g. iconv -f latin1 -t utf-8", "not-utf8"
        if not reason and key in table:
            reason, fix = f"{path}:{number}: the key occurs twice", "keep one line for each utterance"
            kind = "key-twice"
        if not reason:
            table[key] = value
        elif on_bad is None:
            raise DataError(f"{printable(key)}: {reason}; {fix}")
        else:
            on_bad(key, reason, fix, kind)
    return table


def printable(text: str) -> str:
    """A key or message that shows what it holds: what is not seen, and marks that hide in letters, as escapes."""
    hidden = not unicodedata.is_normalized("NFC", text)
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if not c.isprintable() or (hidden and unicodedata.category(c)[0] == "M")
        else c
        for c in text
    )


def without_mark(line: bytes) -> bytes:
    """A line without the byte order marks before it: editors on Windows and joined files leave them in keys."""
    while line.startswith(codecs.BOM_UTF8):
        line = line[len(codecs.BOM_UTF8) :]
    return line


def write_table(path: str | Path, table: Mapping[str, object]) -> None:
    """Write "key value" lines sorted by the bytes of the key; the file appears whole or not at all."""
    keys = sorted(table, key=lambda name: name.encode("utf-8"))
    write_lines(path, (f"{key} {table[key]}".rstrip() for key in keys))


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines; the file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with open(partial, "w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)
    partial.replace(path)


def read_segments(path: str | Path, *, on_bad: OnBad) -> dict[str, Segment]:
    """Read `segments`: "utterance recording start end", seconds.

    Args:
        on_bad: as in `read_table`; called for a line that does not hold a recording and two times with 0 <= start <
            end (an end of -1 is kept: it stands for the end of the recording), too.

    Raises:
        DataError: as `read_table`.
    """
    segments = {}
    for key, value in read_table(path, on_bad=on_bad).items():
        try:
            segments[key] = _segment(value)
        except ValueError as error:
            on_bad(key, f"{path}: {error}", "correct the line", "segment-invalid")
    return segments


def read_channels(path: str | Path, *, on_bad: OnBad) -> dict[str, int]:
    """Read `reco2file_and_channel`: "recording file channel", the channel as A, B ... or 1, 2 ...

    Args:
        on_bad: as in `read_table`; called for a line whose channel is neither, too.

    Returns:
        recording -> channel of its file, from 0.

    Raises:
        DataError: as `read_table`.
    """
    channels = {}
    for key, value in read_table(path, on_bad=on_bad).items():
        name = value.split()[-1] if value else ""
        if re.fullmatch(r"[A-H]|[1-8]", name):
            channels[key] = "ABCDEFGH".index(name) if name.isalpha() else int(name) - 1
        else:
            on_bad(key, f"{path}: no channel (A, B or 1, 2) in {value!r}", "correct the line", "segment-channel")
    return channels


def _segment(value: str) -> Segment:
    try:
        recording, start, end = value.split()
        segment = Segment(recording, float(start), float(end))
    except ValueError:
        raise ValueError(f"not 'recording start end': {value!r}") from None
    # Written so that NaN fails, too.
    if not (0 <= segment.start_s < math.inf and (segment.end_s == -1 or segment.start_s < segment.end_s < math.inf)):
        raise ValueError(f"no audio between {start} s and {end} s")
    return segment


def speakers_to_utterances(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """`spk2utt` of an `utt2spk`: speaker -> its utterances, separated by blanks."""
    speakers: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk, key=lambda name: name.encode("utf-8")):
        speakers.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(utterances) for speaker, utterances in speakers.items()}


def check_same_keys(tables: Mapping[str, Collection[str]], *, where: str = "data directory") -> None:
    """Refuse files of one directory that hold different utterances.

    Args:
        tables: file name -> its keys.

    Raises:
        DataError: lists for each file how many utterances it lacks, and some of them.
    """
    every = set().union(*(set(keys) for keys in tables.values())) if tables else set()
    lacks = []
    for name, keys in tables.items():
        missing = sorted(every - set(keys))
        if missing:
            shown = printable(" ".join(missing[:5])) + (" ..." if len(missing) > 5 else "")
            lacks.append(f"{name} lacks {len(missing)} of {len(every)} ({shown})")
    if lacks:
        raise DataError(
            f"{where}: the files name different utterances: {'; '.join(lacks)}; "
            "add the missing lines or remove the utterances from the other files"
        )


def write_data_dir(path: str | Path, tables: Mapping[str, Mapping[str, object]]) -> None:
    """Write the tables of a data directory, `spk2utt` added where `utt2spk` is among them.

    Raises:
        DataError: the tables name different utterances.
    """
    check_same_keys(tables, where=str(path))
    for name, table in tables.items():
        write_table(Path(path) / name, table)
    if "utt2spk" in tables:
        owners = {utterance: str(speaker) for utterance, speaker in tables["utt2spk"].items()}
        write_table(Path(path) / "spk2utt", speakers_to_utterances(owners))
