"""Europarl-ST v1.1 (arXiv:1911.03167): speeches in nine languages, each translated into the eight others.

<src>/audios/<speech>.m4a                          any other format as well
<src>/<tgt>/{train,dev,test}/segments.lst          speech, start, end
<src>/<tgt>/{train,dev,test}/segments.{<src>,<tgt>}    line by line
<src>/<tgt>/{train,dev,test}/{speeches,speakers}.lst   line by line
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.directions import Direction, Directions
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.foreign_audio import as_read, find_recordings
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines, hundredths, seconds
from espnet_jst.data.corpora.wording import english as normalize  # a hyphen or dash parts words in all nine
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder(
        *("corpus", "EUROPARL_ST", "the folder v1.1 of Europarl-ST, in which are de, en and so on,"),
        "get v1.1.tar.gz (20 GB) from https://www.mllp.upv.es/europarl-st, unpack it",
    ),
)
LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "ro")
SETS = ("train", "dev", "test")
_FIX = "nothing, or mend it in the corpus"
Key = tuple[Direction, str]  # and the name of a set


def read(
    corpus: Path, directions: Directions, *, converted: Path, dev: int = 0, nj: int = 1
) -> Iterator[tuple[str, list[Reading]]]:
    """Each set with what each direction gives to it.

    Args:
        corpus: the unpacked v1.1.
        converted: where recordings in foreign formats are written, one folder a language.
        dev: at most so many utterances of each direction in dev, evenly spaced; 0 takes all.
        nj: conversions at a time.

    Raises:
        ConfigError: a file is missing or of another length than those beside it, or there is no ffmpeg for the
            recordings.
    """
    several = len({direction.tgt for direction in directions}) > 1
    readings = {(d, name): _read_set(corpus, d, name, several=several) for d in directions for name in SETS}
    for src in dict.fromkeys(direction.src for direction in directions):
        mine = {key: reading for key, reading in readings.items() if key[0].src == src}
        readings |= _with_audio(mine, corpus / src / "audios", converted / src, nj)
    _check_names(readings)
    for direction in directions:
        _thin_out(readings[direction, "dev"].turns, dev)
    for name in ("train", "dev"):
        yield name, [readings[direction, name] for direction in directions]
    for name, direction in zip(directions.tests, directions, strict=True):
        yield name, [readings[direction, "test"]]


def _read_set(corpus: Path, direction: Direction, name: str, *, several: bool) -> Reading:
    folder = corpus / direction.src / direction.tgt / name
    segments, *texts = (as_lines(folder / f"segments.{part}") for part in ("lst", *direction))
    speeches, speakers = (as_lines(folder / f"{part}.lst") for part in ("speeches", "speakers"))
    _check_lengths(folder / "segments", segments, *texts)
    _check_lengths(folder / "speakers", speeches, speakers)
    owners = {speech.strip(): "_".join(speaker.split()) for speech, speaker in zip(speeches, speakers, strict=True)}
    reading = Reading(audio={})
    for number, (segment, spoken, translated) in enumerate(zip(segments, *texts, strict=True), start=1):
        try:
            speech, start, end = segment.split()
            start_s, end_s = seconds(start), seconds(end)
        except ValueError:
            reason = f"{folder}/segments.lst:{number}: not speech, start and end: {segment[:60]!r}"
            reading.problems.append(Problem(f"{direction}_{name}_{number}", reason, _FIX, "line-invalid"))
            continue
        turn = Turn(
            utt_id=f"{speech}_{hundredths(start_s)}-{hundredths(end_s)}" + several * f"_{direction.tgt}",
            recording=speech,
            start_s=start_s,
            end_s=end_s,
            speaker=owners.get(speech) or speech,
            transcript=normalize(spoken),
            translations=(normalize(translated),),
            tgt_lang=direction.tgt if several else None,
        )
        reading.turns.append(turn)
    return reading


def _check_lengths(what: Path, first: Sequence[str], *others: Sequence[str]) -> None:
    """Files that belong together line by line."""
    if any(len(lines) != len(first) for lines in others):
        counts = ", ".join(str(len(lines)) for lines in (first, *others))
        raise ConfigError(f"{what}.*: files of {counts} lines belong together line by line: unpack the corpus again")


def _with_audio(readings: Mapping[Key, Reading], folder: Path, converted: Path, nj: int) -> dict[Key, Reading]:
    """Readings of one spoken language with their recordings."""
    wanted = {turn.recording.lower() for reading in readings.values() for turn in reading.turns}
    there = {name: path for name, path in find_recordings(folder).items() if name in wanted}
    files, problems = as_read(there, converted, nj=nj)
    next(iter(readings.values())).problems.extend(problems)
    return {key: replace(reading, audio=files) for key, reading in readings.items()}


def _check_names(readings: Mapping[Key, Reading]) -> None:
    """Recordings of two languages that are called alike would be mixed up: in the corpus the name begins with it."""
    owners: dict[str, str] = {}
    for (direction, _), reading in readings.items():
        for name in reading.audio:
            if owners.setdefault(name, direction.src) != direction.src:
                raise ConfigError(f"{name} is a recording of {owners[name]} and of {direction.src}: rename one of them")


def _thin_out(turns: list[Turn], count: int) -> None:
    if 0 < count < len(turns):
        turns[:] = [turns[len(turns) * index // count] for index in range(count)]
