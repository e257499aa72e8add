"""Fisher and CallHome Spanish (LDC) with the English of github.com/joshua-decoder/fisher-callhome-corpus (2013).

    LDC2010S01/**/<call>.sph, LDC96S35/**/<call>.sph              8 kHz, a speaker in each channel
    LDC2010T04/**/<call>.tdf, LDC96T17/**/<call>.txt              UTF-8 and ISO 8859-1
    fisher-callhome-corpus/mapping/<set>                          "<call> 10_11": the lines of a transcript in one turn
    fisher-callhome-corpus/corpus/ldc/<set>.en, .en.0 to .en.3    a line for each line of the mapping

Spanish is read from the transcripts, so `make` in the clone is not needed. Fisher's dev, dev2 and test have four
references; the first is the one that is trained or scored by default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.sphere_files import find_audio
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines, hundredths, seconds
from espnet_jst.data.corpora.wording import english, spanish
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder(
        *("fisher_callhome_spanish", "FISHER_CALLHOME_SPANISH"),
        "the folder with LDC2010S01 and LDC2010T04 (and LDC96S35 and LDC96T17 for CallHome)",
        "they come from the LDC, with a licence",
    ),
    Folder(
        *("fisher_callhome_translations", "FISHER_CALLHOME_TRANSLATIONS", "the clone with the translations"),
        "git clone https://github.com/joshua-decoder/fisher-callhome-corpus",
    ),
)
FISHER_SETS = ("fisher_train", "fisher_dev", "fisher_dev2", "fisher_test")
CALLHOME_SETS = ("callhome_train", "callhome_devtest", "callhome_evltest")
SOURCE, TARGET = "es", "en"
# Two lines of LDC2010T04 whose channel is that of the other speaker: (call, line) -> channel.
_CORRECTED = {("20050930_180411_157_fsp", 2): 0, ("20051225_192042_872_fsp", 1): 0}
_CALLHOME_LINE = re.compile(r"([\d.]+) ([\d.]+) ([AB])\d*: ?(.*)")
_MAPPED = re.compile(r"(\S+) ([1-9]\d*(?:_[1-9]\d*)*)")
_FIX = "nothing, or mend it in the corpus"


class _Line(NamedTuple):
    start_s: float
    end_s: float
    channel: int
    text: str


Transcript = Callable[[Path], list[_Line | None]]
"""Reads the lines of a transcript as the mapping counts them, from 1; None for one that cannot be used."""


def read_all(ldc: Path, translations: Path) -> Iterator[tuple[str, Reading]]:
    """Fisher's sets, and CallHome's where its two folders are there.

    Args:
        ldc: folder with the LDC's, by their catalogue numbers.

    Raises:
        ConfigError: as `read`.
    """
    yield from read(ldc / "LDC2010S01", ldc / "LDC2010T04", translations)
    if (ldc / "LDC96S35").is_dir() and (ldc / "LDC96T17").is_dir():
        yield from read(ldc / "LDC96S35", ldc / "LDC96T17", translations, sets=CALLHOME_SETS)


def read(
    speech: Path, transcripts: Path, translations: Path, *, sets: Sequence[str] = FISHER_SETS
) -> Iterator[tuple[str, Reading]]:
    """Each of the sets.

    Args:
        speech, transcripts: LDC2010S01 and LDC2010T04, or LDC96S35 and LDC96T17 for CallHome's sets.
        translations: a clone of the repository with the translations.

    Raises:
        ConfigError: a folder or list is not there, or translations and mapping differ in length.
    """
    form, reader = (".tdf", fisher_lines) if sets[0] in FISHER_SETS else (".txt", callhome_lines)
    audio = find_audio(speech)
    files = {path.stem.lower(): path for path in sorted(transcripts.rglob(f"*{form}")) if path.name[:2] != "._"}
    if not files:
        raise ConfigError(f"{transcripts}: no {form} below it; give the folder of the unpacked transcripts")
    for name in sets:
        reading = Reading(audio=audio)
        calls: dict[str, list[_Line | None]] = {}
        for call, numbers, texts in _mapped(translations, name):
            if call not in calls:
                path = files.get(call.lower())
                calls[call] = [] if path is None else reader(path)
            _add(reading, call, numbers, calls[call], texts)
        yield name, reading


def _mapped(translations: Path, name: str) -> Iterator[tuple[str, list[int], tuple[str, ...]]]:
    """Call, line numbers and translations of each turn of a set."""
    mapping = as_lines(translations / "mapping" / name)
    base = translations / "corpus" / "ldc" / f"{name}.en"
    paths = [base] if base.is_file() else sorted(base.parent.glob(f"{base.name}.[0-9]")) or [base]
    references = [as_lines(path) for path in paths]
    for path, lines in zip(paths, references):
        if len(lines) != len(mapping):
            raise ConfigError(
                f"{path} has {len(lines)} lines, and mapping/{name} {len(mapping)}: the n-th is the translation of the "
                "n-th; take both from one clone, unchanged"
            )
    for number, (line, *texts) in enumerate(zip(mapping, *references), start=1):
        found = _MAPPED.fullmatch(line.strip())
        if found is None:
            raise ConfigError(f"mapping/{name}:{number}: not a call and its lines, such as 10_11: {line[:60]!r}")
        yield found[1], [int(part) for part in found[2].split("_")], tuple(map(english, texts))


def _add(
    reading: Reading, call: str, numbers: Sequence[int], lines: Sequence[_Line | None], texts: tuple[str, ...]
) -> None:
    """Add the turn that some lines of a transcript make."""
    found = [lines[number - 1] for number in numbers if number <= len(lines)]
    parts = [line for line in found if line is not None]
    name = f"{call}:{'_'.join(map(str, numbers))}"
    if not lines or len(parts) < len(numbers):
        reason = "there is no transcript of the call" if not lines else "the transcript lacks usable lines of it"
        reading.problems.append(Problem(name, reason, _FIX, "text-missing"))
        return
    channel = _CORRECTED.get((call, numbers[0]), parts[0].channel)
    if any(part.channel != channel for part in parts[1:]) or channel not in (0, 1):
        reason = f"its lines are of channels {[part.channel for part in parts]}, not of one speaker"
        reading.problems.append(Problem(name, reason, _FIX, "segment-channel"))
        return
    start_s, end_s = min(part.start_s for part in parts), max(part.end_s for part in parts)
    speaker = f"{call}-{'AB'[channel]}"
    turn = Turn(
        utt_id=f"{speaker}-{hundredths(start_s)}-{hundredths(end_s)}",
        recording=call,
        channel=channel,
        start_s=start_s,
        end_s=end_s,
        speaker=speaker,
        transcript=spanish(" ".join(part.text for part in parts)),
        translations=texts,
    )
    reading.turns.append(turn)


def fisher_lines(path: Path) -> list[_Line | None]:
    """Of a .tdf: columns file, channel, start, end, speaker, type, dialect, transcript ..., a heading, comments."""
    rows = (line.split("\t") for line in as_lines(path) if ";;MM" not in line and "file;unicode" not in line)
    return [_line(row[2], row[3], row[1], row[7]) if len(row) > 7 else None for row in rows]


def callhome_lines(path: Path) -> list[_Line | None]:
    """Of a .txt: "12.34 15.67 A: text", or A1 where a side has several speakers."""
    rows = (_CALLHOME_LINE.match(line) for line in as_lines(path, "iso-8859-1"))
    return [_line(row[1], row[2], str("AB".index(row[3])), row[4]) if row else None for row in rows]


def _line(start: str, end: str, channel: str, text: str) -> _Line | None:
    try:
        return _Line(seconds(start), seconds(end), int(channel), text)
    except ValueError:
        return None
