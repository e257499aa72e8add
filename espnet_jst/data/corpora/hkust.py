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
from itertools import product
from pathlib import Path
from typing import NamedTuple

from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.sphere_files import find_audio
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines, hundredths
from espnet_jst.data.corpora.wording import english, mandarin
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder("hkust_speech", "HKUST1", "LDC2005S15, unpacked", "it comes from the LDC, with a licence"),
    Folder("hkust_transcripts", "HKUST2", "LDC2005T32, unpacked", "it comes from the LDC, with a licence"),
    Folder(
        *("hkust_english", "HKUST_ENGLISH", "the folder with train.tsv, dev.tsv and test.tsv of the translations"),
        "ask the authors of arXiv:2404.11619, and write them as README.md says",
    ),
)
SETS = ("train", "dev", "test")
SOURCE, TARGET = "zh", "en"
_NAME = re.compile(r"(.+)-([AB])-(\d+)-(\d+)")
_LINE = re.compile(r"\s*(\d+\.?\d*)\s+(\d+\.?\d*)\s+([AB]):\s*(.*)")
_TWO_TURNS = re.compile(r"\b[AB]:")
# Programs that made the names round half a hundredth up or down.
_NEAR = sorted(product((-1, 0, 1), repeat=2), key=lambda pair: abs(pair[0]) + abs(pair[1]))
_ENCODING = "gb18030"  # GBK and more
_FIX = "nothing, or mend it in the corpus"


class _Line(NamedTuple):
    start_s: float
    end_s: float
    text: str


class _Key(NamedTuple):
    """Where a turn is in its call, times in hundredths of a second."""

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
        reading = Reading(audio=audio)
        calls: dict[str, dict[_Key, _Line]] = {}
        for number, line in enumerate(as_lines(translations / f"{name}.tsv"), start=1):
            key, tab, text = line.partition("\t")
            parts = _NAME.fullmatch(key.strip())
            if parts is None or not tab:
                if line.strip():
                    reason = f"{name}.tsv:{number}: not <call>-<A or B>-<start>-<end>, tab, English: {line[:60]!r}"
                    reading.problems.append(Problem(key or name, reason, "correct the line", "line-invalid"))
                continue
            call = parts[1]
            if call not in calls:
                calls[call] = _turns(files[call]) if call in files else {}
            _add(reading, call, _Key(parts[2], int(parts[3]), int(parts[4])), calls[call], text)
        yield name, reading


def _turns(path: Path) -> dict[_Key, _Line]:
    """The turns of a call."""
    turns = {}
    for line in as_lines(path, _ENCODING):
        if found := _LINE.match(line):
            start_s, end_s = float(found[1]), float(found[2])
            turns[_Key(found[3], round(100 * start_s), round(100 * end_s))] = _Line(start_s, end_s, found[4])
    return turns


def _add(reading: Reading, call: str, key: _Key, turns: dict[_Key, _Line], text: str) -> None:
    """Add the turn with these times."""
    speaker = f"{call}-{key.side}"
    name = f"{speaker}-{key.start:06d}-{key.end:06d}"
    near = (_Key(key.side, key.start + start, key.end + end) for start, end in _NEAR)
    line = next((turns[other] for other in near if other in turns), None)
    if line is None:
        reason = "there is no transcript of the call" if not turns else "the transcript has no turn of these times"
        reading.problems.append(Problem(name, reason, _FIX, "text-missing"))
        return
    if _TWO_TURNS.search(line.text):
        reading.problems.append(Problem(name, "the line holds two turns, run together", _FIX, "line-invalid"))
        return
    turn = Turn(
        utt_id=f"{speaker}-{hundredths(line.start_s)}-{hundredths(line.end_s)}",
        recording=call,
        channel="AB".index(key.side),
        start_s=line.start_s,
        end_s=line.end_s,
        speaker=speaker,
        transcript=mandarin(line.text),
        translations=(english(text),),
    )
    reading.turns.append(turn)
