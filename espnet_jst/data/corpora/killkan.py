"""Killkan (arXiv:2404.15501; CC BY 4.0): a radio drama in Kichwa, with Spanish translations.

As its repository has it:
<corpus>/data/Chapter<n>/Chapter<n>.eaf          ELAN: the tiers "default" (Kichwa, with times) and "Spanish" below it
<corpus>/data/Chapter<n>/<i>/<i>.mp4             the clip of the i-th sentence; ffmpeg reads it
Packed, as tables with a folder of clips beside each:
<corpus>/<set>.tsv                               id, chapter, qvi, spa and others; <set>/<id>.opus or another format
"""

from __future__ import annotations

import csv
import xml.etree.ElementTree as xml
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.foreign_audio import READ_HERE, as_read
from espnet_jst.data.corpora.turns import Reading, Turn
from espnet_jst.data.corpora.wording import plain
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder(
        *("corpus", "KILLKAN", "the folder of Killkan"),
        "git clone https://github.com/ctaguchi/killkan (git-lfs brings the clips)",
    ),
)
# The last two chapters of the twenty are left for a test that nobody has looked at.
CHAPTERS = {"train": range(1, 16), "dev": range(16, 17), "test": range(17, 19)}
KICHWA, SPANISH = "default", "Spanish"
MISSING = "[MISSING]"
MAX_EAF = 2**26
_FIX = "nothing, or mend it in the corpus"


class Clip(NamedTuple):
    """A sentence: `c17_001`, its chapter, its file, its texts; one without a translation has an empty one."""

    utt_id: str
    chapter: int
    audio: Path | None
    kichwa: str
    spanish: str


def read(corpus: Path, converted: Path, *, nj: int = 1) -> dict[str, tuple[Reading, Reading]]:
    """For each set what has a translation, and what has a transcript alone.

    Args:
        converted: where clips that are not read here become FLAC.

    Raises:
        ConfigError: it is no Killkan, or there is no ffmpeg for its clips.
    """
    clips = list(_packed(corpus) if (corpus / "train.tsv").is_file() else _repository(corpus))
    files = {clip.utt_id: clip.audio for clip in clips if clip.audio is not None}
    heard, problems = as_read(files, converted, nj=nj)
    found = {}
    for name, chapters in CHAPTERS.items():
        mine = [clip for clip in clips if clip.chapter in chapters]
        both, alone = ([clip for clip in mine if bool(clip.spanish) is told] for told in (True, False))
        bad = [problem for problem in problems if problem.utt_id in {clip.utt_id for clip in mine}]
        found[name] = (_reading(both, heard, bad), _reading(alone, heard, []))
    return found


def unseen(test: Reading, train: Reading) -> Reading:
    """Sentences of a test set whose transcript is none of the training set's: a radio drama repeats itself."""
    known = {turn.transcript for turn in train.turns}
    return replace(test, turns=[turn for turn in test.turns if turn.transcript not in known], problems=[])


def _reading(clips: list[Clip], heard: Mapping[str, Path], problems: list[Problem]) -> Reading:
    turns = [
        Turn(
            utt_id=clip.utt_id,
            recording=clip.utt_id,
            speaker=f"c{clip.chapter:02}",  # who speaks is not written down
            transcript=plain(clip.kichwa),
            translations=(plain(clip.spanish),) if clip.spanish else (),
        )
        for clip in clips
    ]
    return Reading(audio=heard, turns=turns, problems=list(problems))


def _packed(corpus: Path) -> Iterator[Clip]:
    for table in sorted(corpus.glob("*.tsv")):
        with table.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            lacking = [column for column in ("id", "chapter", "qvi", "spa") if column not in (rows.fieldnames or ())]
            if lacking:
                raise ConfigError(f"{table} has no column {lacking[0]}: it is no table of Killkan")
            for row in rows:
                audio = _found(table.with_suffix("") / row["id"])
                yield Clip(row["id"], int(row["chapter"]), audio, row["qvi"] or "", _told(row["spa"] or ""))


def _repository(corpus: Path) -> Iterator[Clip]:
    root = corpus / "data" if (corpus / "data").is_dir() else corpus
    known = {chapter for chapters in CHAPTERS.values() for chapter in chapters}
    folders = {n: root / f"Chapter{n}" for n in sorted(known) if (root / f"Chapter{n}" / f"Chapter{n}.eaf").is_file()}
    if not folders:
        raise ConfigError(f"{corpus}: neither data/Chapter1/Chapter1.eaf nor train.tsv is in it: it is no Killkan")
    for chapter, folder in folders.items():
        for number, (kichwa, spanish) in enumerate(_sentences(folder / f"{folder.name}.eaf"), start=1):
            audio = _found(folder / f"{number}" / f"{number}")
            yield Clip(f"c{chapter:02}_{number:03}", chapter, audio, kichwa, _told(spanish))


def _found(stem: Path) -> Path | None:
    """The file of a clip, whatever its ending; one that is read here first."""
    for ending in (*READ_HERE, ".mp4", ".m4a"):
        path = stem.with_name(f"{stem.name}{ending}")
        if path.is_file():
            return path
    return None


def _told(spanish: str) -> str:
    text = " ".join(spanish.split())
    return "" if text == MISSING else text


def _sentences(path: Path) -> Iterator[tuple[str, str]]:
    """Kichwa and Spanish of every sentence of a chapter, in the order of time."""
    if path.stat().st_size > MAX_EAF or b"<!ENTITY" in path.read_bytes():
        raise ConfigError(f"{path} is no file of ELAN as Killkan has them")
    try:
        root = xml.parse(path).getroot()
        times = {slot.attrib["TIME_SLOT_ID"]: int(slot.get("TIME_VALUE", 0)) for slot in root.iter("TIME_SLOT")}
        tiers = {tier.get("TIER_ID"): tier for tier in root.iter("TIER")}
        spoken = list(tiers[KICHWA].iter("ALIGNABLE_ANNOTATION"))
        told = {
            annotation.attrib["ANNOTATION_REF"]: annotation.findtext("ANNOTATION_VALUE") or ""
            for annotation in (tiers[SPANISH].iter("REF_ANNOTATION") if SPANISH in tiers else ())
        }
        spoken.sort(key=lambda annotation: times[annotation.attrib["TIME_SLOT_REF1"]])
        for annotation in spoken:
            text = " ".join((annotation.findtext("ANNOTATION_VALUE") or "").split())
            yield text, told.get(annotation.attrib["ANNOTATION_ID"], "")
    except (xml.ParseError, KeyError, ValueError) as error:
        raise ConfigError(f"{path} is no file of ELAN with the tier {KICHWA!r} ({error})") from error
