"""The Corpus of Spontaneous Japanese (Maekawa, 2003): a transcript and a wav file a talk.

    WAV/{core,noncore}/A01F0055.wav        a dialogue has a file a speaker: D01F0002-L.wav, D01F0002-R.wav
    TRN/Form1/{core,noncore}/A01F0055.trn  "0001 00000.113-00006.570 L:", and below it lines "as written & as spoken"
    TRN/Form2/{core,noncore}/A01F0055.trn  as written alone, behind the colon

Both forms are read, in Shift_JIS or UTF-8, wherever they are below the folder. Utterances, sets and the choice among
written forms are those of Kaldi's and ESPnet's recipes, which read the same units from the tables of words (SDB).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.csj_tags import resolved, wording
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.sphere_files import find_audio
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder(
        *("csj", "CSJ", "the folder of the Corpus of Spontaneous Japanese, with TRN and WAV"),
        "it comes from NINJAL, with a licence (https://clrd.ninjal.ac.jp/csj/en/)",
    ),
)
SOURCE = "ja"
# By the first letter of their names: academic, on everyday topics, read aloud, others; dialogues.
KINDS = ("A", "S", "R", "M", "D")
MONOLOGUES = ("A", "S", "R", "M")
DEV_UTTERANCES = 4000
_EVALUATION = {
    "eval1": "A01M0097 A01M0110 A01M0137 A03M0106 A03M0112 A03M0156 A04M0051 A04M0121 A04M0123 A05M0011",
    "eval2": "A01F0001 A01F0034 A01F0063 A01M0056 A01M0141 A02M0012 A03F0072 A03M0016 A06F0135 A06M0064",
    "eval3": "S00F0019 S00F0066 S00F0148 S00F0152 S00M0008 S00M0070 S00M0079 S00M0112 S00M0213 S01F0105",
}
EVALUATION = {name: tuple(talks.split()) for name, talks in _EVALUATION.items()}
SAME_SPEAKER = ("D01M0019", "D02M0028", "D03M0017", "D04M0056", "R00M0187", "S05M0613")  # as A01M0056 of eval2
_TALK = re.compile(r"[A-Z][0-9]{2}[FM][0-9]{4}")
_UNIT = re.compile(r"[0-9]+ ([0-9]+\.[0-9]+)-([0-9]+\.[0-9]+) ([LR]):(.*)")
_GAP_S, _LONG_S = 0.5, 10.0
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")  # what EUC-JP looks like in Shift_JIS; the corpus itself has none
_FIX = "nothing, or mend it in the corpus"


class _Unit(NamedTuple):
    """What is said between two pauses, with its tags."""

    side: str
    start_s: float
    end_s: float
    text: str


def read(
    corpus: Path, parts: Sequence[str] = MONOLOGUES, dev_utterances: int = DEV_UTTERANCES
) -> list[tuple[str, list[Reading]]]:
    """train, dev, which is the first utterances of the training talks by name, eval1, eval2 and eval3.

    Args:
        parts: kinds of talks to train on, of `KINDS`; those of the evaluation sets and of a speaker in them are never
            trained on.

    Raises:
        ConfigError: there is no transcript or no recording, or too little to train on.
    """
    talks = {path.stem.upper(): path for path in sorted(corpus.rglob("[!.]*.trn"), reverse=True)}  # Form1 before Form2
    if not talks:
        raise ConfigError(
            f"{corpus}: no transcript (A01F0055.trn) below it; give the folder of the corpus, which holds TRN and WAV"
        )
    audio = find_audio(corpus)
    kept_out = {*SAME_SPEAKER, *(name for names in EVALUATION.values() for name in names)}
    recorded = {name.upper().removesuffix("-L").removesuffix("-R") for name in audio}
    known = {*talks, *filter(_TALK.fullmatch, recorded)}  # a recording without its transcript is listed as well
    names = sorted(name for name in known - kept_out if name.startswith(tuple(parts)))
    train = _read_talks(audio, talks, names)
    if not 0 <= dev_utterances < len(train.turns):
        first = f" (first problem: {train.problems[0]})" if train.problems else ""
        raise ConfigError(
            f"{corpus}: {len(train.turns)} utterances in {len(names)} talks {' '.join(parts)}, and dev takes the first "
            f"{dev_utterances}{first}: complete the copy of the corpus, give other --parts, or give --dev_utterances "
            f"that leave some to train on: --local_data_opts '--dev_utterances {max(1, len(train.turns) // 10)}'"
        )
    dev = Reading(audio=audio, turns=train.turns[:dev_utterances])
    del train.turns[:dev_utterances]
    evaluation = [(name, [_read_talks(audio, talks, EVALUATION[name])]) for name in EVALUATION]
    return [("train", [train]), ("dev", [dev]), *evaluation]


def _read_talks(audio: Mapping[str, Path], talks: Mapping[str, Path], names: Sequence[str]) -> Reading:
    """The named talks; utterances in the order of their names."""
    reading = Reading(audio=audio)
    for name in names:
        try:
            if name not in talks:
                raise BadItem("there is no transcript of the talk", "complete the copy of the corpus", "text-missing")
            units = _units(talks[name])
        except BadItem as bad:
            reading.problems.append(Problem.of(name, bad))
            continue
        for side in "LR":
            recording = f"{name}-{side}" if name.startswith("D") else name
            for unit in _joined(_written(unit for unit in units if unit.side == side)):
                _add(reading, recording, unit)
    reading.turns.sort(key=lambda turn: turn.utt_id)
    return reading


def _units(path: Path) -> list[_Unit]:
    """The units of a transcript.

    Raises:
        BadItem: its encoding or a line is not that of a transcript.
    """
    units: list[_Unit] = []
    for number, line in enumerate(_lines(path), start=1):
        text = " ".join(line.split())
        if not text or text.startswith("%"):  # the head and the foot
            continue
        if found := _UNIT.fullmatch(text):
            units.append(_Unit(found[3], float(found[1]), float(found[2]), found[4]))
        elif units and "&" in text:
            units[-1] = units[-1]._replace(text=units[-1].text + text.partition("&")[0].strip())
        else:
            reason = f"line {number} of {path} is neither a time nor 'as written & as spoken': {text[:40]!r}"
            raise BadItem(reason, "mend the line, or copy the file again", "line-invalid")
    if not units:
        raise BadItem(f"{path} holds no utterance", "copy it again", "text-missing")
    return units


def _lines(path: Path) -> list[str]:
    """Raises BadItem where the file is in neither encoding."""
    for encoding in ("utf-8", "cp932"):
        lines = as_lines(path, encoding)
        if not any("\ufffd" in line or _HALF_WIDTH.search(line) for line in lines):
            return lines
    fix = "copy it again, or convert it: iconv -f EUC-JP -t UTF-8"
    raise BadItem(f"{path} is neither Shift_JIS nor UTF-8", fix, "text-replacement")


def _written(units: Iterable[_Unit]) -> list[_Unit]:
    """Units without tags, those in which nothing is said left out."""
    made: list[_Unit] = []
    spoken = list(units)
    for unit, (text, follows) in zip(spoken, resolved([unit.text for unit in spoken])):
        if follows:  # the written form of both stands in the first
            made[-1] = made[-1]._replace(end_s=unit.end_s, text=made[-1].text + text)
        else:
            made.append(unit._replace(text=text))
    return [unit for unit in made if wording(unit.text)]


def _joined(units: Iterable[_Unit]) -> list[_Unit]:
    """Utterances: what half a second at most parts goes together until it is ten seconds long."""
    made: list[_Unit] = []
    for unit in units:
        last = made[-1] if made else None
        if last and unit.start_s - last.end_s <= _GAP_S and last.end_s - last.start_s <= _LONG_S:
            made[-1] = last._replace(end_s=unit.end_s, text=last.text + unit.text)
        else:
            made.append(unit)
    return made


def _add(reading: Reading, recording: str, unit: _Unit) -> None:
    name = f"{recording}_{round(1000 * unit.start_s):07d}_{round(1000 * unit.end_s):07d}"
    if "×" in unit.text:
        bad = BadItem("a name or the like is blanked out (×)", "nothing: it is published so", "text-missing")
        reading.problems.append(Problem.of(name, bad))
    elif any(sign in unit.text for sign in "()<>"):
        bad = BadItem(f"a tag is opened or closed once too often: {unit.text[:60]!r}", _FIX, "line-invalid")
        reading.problems.append(Problem.of(name, bad))
    else:
        turn = Turn(
            utt_id=name,
            recording=recording,
            start_s=unit.start_s,
            end_s=unit.end_s,
            speaker=recording,
            transcript=wording(unit.text),
        )
        reading.turns.append(turn)
