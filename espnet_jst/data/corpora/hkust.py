"""HKUST Mandarin telephone speech (LDC2005S15, LDC2005T32) with English translations (arXiv:2404.11619).

    LDC2005S15/**/<call>.sph          8 kHz, a speaker in each channel: 20040503_220704_A000256_B000257
    LDC2005T32/**/trans/**/<call>.txt GBK: "12.34 15.67 A: text"
    english/{train,dev,test}.tsv      UTF-8: name of a turn, tab, English

The files of the translations are not described in public, so this form of theirs is our own. The name of a turn is
<call>-<A or B>-<start>-<end> with times in hundredths of a second, as in Kaldi's and ESPnet's data directories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.sphere_files import find_audio
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines, hundredths
from espnet_jst.data.corpora.wording import english, mandarin
from espnet_jst.errors import ConfigError

SETS = ("train", "dev", "test")
SOURCE, TARGET = "zh", "en"
_NAME = re.compile(r"(.+)-([AB])-(\d+)-(\d+)")
_LINE = re.compile(r"\s*([\d.]+)\s+([\d.]+)\s+([AB]):\s*(.*)")
_TWO_TURNS = re.compile(r"\b[AB]:")
_ENCODING = "gb18030"  # GBK and more
_FIX = "nothing, or mend it in the corpus"


class _Line(NamedTuple):
    start_s: float
    end_s: float
    text: str


class _Name(NamedTuple):
    call: str
    side: str
    start: int
    end: int


def read(speech: Path, transcripts: Path, translations: Path) -> Iterator[tuple[str, Reading]]:
    """Each set: the turns that its table of translations names.

    Args:
        speech: LDC2005S15.
        transcripts: LDC2005T32.
        translations: folder with train.tsv, dev.tsv and test.tsv.

    Raises:
        ConfigError: a folder or table is not there.
    """
    audio = find_audio(speech)
    files = {path.stem: path for path in sorted(transcripts.rglob("*.txt")) if "_A" in path.stem and "_B" in path.stem}
    if not files:
        raise ConfigError(f"{transcripts}: no transcript (<date>_<time>_A<pin>_B<pin>.txt) below it; give LDC2005T32")
    for name in SETS:
        reading, calls = Reading(audio=audio), {}
        for number, line in enumerate(as_lines(translations / f"{name}.tsv"), start=1):
            key, tab, text = line.partition("\t")
            parts = _NAME.fullmatch(key.strip())
            if parts is None or not tab:
                if line.strip():
                    reason = f"{name}.tsv:{number}: not <call>-<A or B>-<start>-<end>, tab, English: {line[:60]!r}"
                    reading.problems.append(Problem(key or name, reason, "correct the line", "line-invalid"))
                continue
            named = _Name(parts[1], parts[2], int(parts[3]), int(parts[4]))
            if named.call not in calls:
                path = files.get(named.call)
                calls[named.call] = {} if path is None else _sides(path)
            _add(reading, named, calls[named.call], text)
        yield name, reading


def _sides(path: Path) -> dict[str, list[_Line]]:
    """The turns of a call by its side, A and B."""
    sides: dict[str, list[_Line]] = {"A": [], "B": []}
    for line in as_lines(path, _ENCODING):
        if found := _LINE.match(line):
            start, end, side, text = found.groups()
            sides[side].append(_Line(float(start), float(end), text))
    return sides


def _add(reading: Reading, named: _Name, sides: dict[str, list[_Line]], text: str) -> None:
    """Add the turn with these times; programs that made the names round half a hundredth up or down."""
    speaker = f"{named.call}-{named.side}"
    name = f"{speaker}-{named.start:06d}-{named.end:06d}"
    line = min(sides.get(named.side, ()), key=lambda line: _apart(line, named), default=None)
    if line is None or _apart(line, named) > 1:
        reason = "there is no transcript of the call" if not sides else "the transcript has no turn of these times"
        reading.problems.append(Problem(name, reason, _FIX, "text-missing"))
        return
    if _TWO_TURNS.search(line.text):
        reading.problems.append(Problem(name, "the line holds two turns, run together", _FIX, "line-invalid"))
        return
    turn = Turn(
        utt_id=f"{speaker}-{hundredths(line.start_s)}-{hundredths(line.end_s)}",
        recording=named.call,
        channel="AB".index(named.side),
        start_s=line.start_s,
        end_s=line.end_s,
        speaker=speaker,
        transcript=mandarin(line.text),
        translations=(english(text),),
    )
    reading.turns.append(turn)


def _apart(line: _Line, named: _Name) -> int:
    """By how many hundredths a line's times differ from those of a name."""
    return max(abs(round(100 * line.start_s) - named.start), abs(round(100 * line.end_s) - named.end))
