"""What a reader of a corpus gives, turns of speakers, and data directories made from them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from espnet_jst.data.audio_file import inspect
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import SKIPPED, Problem, write_skipped
from espnet_jst.data.corpora.sphere_files import unpack
from espnet_jst.data.corpora.wording import CASE
from espnet_jst.data.kaldi import write_data_dir, write_table
from espnet_jst.data.utterances import CHANNELS, SRC_LANGS, TGT_LANGS
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.text.lanes import LANES


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one speaker says at a time.

    Attributes:
        recording: name of its file, without the ending.
        channel: of a file with a speaker in each, from 0; None where the file holds one speaker.
        end_s: infinity for the end of the recording; one that is a turn from 0 on has no segment.
        transcript: as it is trained and scored; so are the translations, the first of which is the one trained; none in
            a corpus of speech recognition.
        tgt_lang: their language, in a corpus that is translated into several.
        src_lang: what is spoken, in a corpus of several languages.
    """

    utt_id: str
    recording: str
    channel: int | None = None
    start_s: float = 0.0
    end_s: float = math.inf
    speaker: str
    transcript: str
    translations: tuple[str, ...] = ()
    tgt_lang: str | None = None
    src_lang: str | None = None

    @property
    def whole(self) -> bool:
        """Whether it is all of a recording."""
        return self.channel is None and not self.start_s and math.isinf(self.end_s)

    @property
    def side(self) -> str:
        """The recording, or its side, as Kaldi's directories name it: "20051009_182032_217_fsp-A"."""
        if self.whole:
            return self.utt_id
        return self.recording if self.channel is None else f"{self.recording}-{'AB'[self.channel]}"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One set of a corpus.

    Attributes:
        audio: recordings, by their names in lower case.
        problems: what the reader could not use.
    """

    audio: Mapping[str, Path]
    turns: list[Turn] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def seconds(text: str) -> float:
    """A time as the files have it.

    Raises:
        ValueError: it is none.
    """
    time_s = float(text)
    if not math.isfinite(time_s):
        raise ValueError(f"no time: {text}")
    return time_s


def hundredths(time_s: float) -> str:
    """A time in an utterance's name, as Kaldi's directories have it: "000123"."""
    return f"{round(100 * time_s):06d}"


def as_lines(path: Path, encoding: str = "utf-8") -> list[str]:
    """The lines of a file; only a line feed ends one, what cannot be decoded becomes U+FFFD.

    Raises:
        ConfigError: there is no such file.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is missing: the copy of the corpus, or of its lists, is not complete")
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    return [line.decode(encoding, errors="replace").strip("\r\ufeff") for line in lines]


def write_set(
    out: Path, readings: Sequence[Reading], *, src: str, tgt: str | None, cases: tuple[str, str] = (CASE, CASE)
) -> None:
    """Write a data directory of all usable turns, and `skipped.jsonl` of the others.

    Further references of a translation become `text.<case>.<tgt>.1` and so on; without `tgt` there are transcripts
    alone. `cases` are the forms of transcript and translation, in the names of their files.

    Raises:
        ConfigError: a recording is compressed, and nothing there to unpack it (`sphere_files.unpack`).
        DataError: no turn can be used.
    """
    turns: dict[str, Turn] = {}
    problems: list[Problem] = []
    files: dict[str, Path] = {}
    for reading in readings:
        mine = unpack(reading.audio, {turn.recording.lower() for turn in reading.turns}, out.parent / "audio")
        files |= mine
        problems += reading.problems
        lengths = _Lengths(mine)
        for turn in reading.turns:
            try:
                if turn.utt_id in turns:
                    raise BadItem("its name comes twice: same speaker, same times", "keep one of them", "key-twice")
                turns[turn.utt_id] = _checked(turn, lengths)
            except BadItem as bad:
                problems.append(Problem.of(turn.utt_id, bad))
    if not turns:
        first = f" (first: {problems[0]})" if problems else ""
        raise DataError(f"{out}: no utterance can be used{first}; are these the folders of the corpus?")
    transcript, translation = (f"text.{case}.{code}" for case, code in zip(cases, (src, tgt), strict=True))
    _write_tables(out, [*turns.values()], files, transcript, translation if tgt is not None else None)
    write_skipped(out, problems)
    said = f", {len(problems)} left out (listed in {out / SKIPPED}; first: {problems[0]})" if problems else ""
    print(f"{len(turns)} utterances in {out}{said}", file=sys.stderr)


class _Lengths:
    """Seconds of recordings, each read once."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files
        self.known: dict[str, float | BadItem] = {}

    def check(self, recording: str) -> None:
        """Raises BadItem where it is missing."""
        if recording.lower() not in self.files:
            raise BadItem(f"there is no recording {recording}", "complete the copy of the corpus", "audio-missing")

    def of(self, recording: str) -> float:
        """Raises BadItem where it is missing or cannot be read."""
        self.check(recording)
        name = recording.lower()
        if name not in self.known:
            try:
                info = inspect(self.files[name])
                self.known[name] = float("inf") if info.samples is None else info.samples / info.fs
            except BadItem as bad:
                self.known[name] = bad
        length = self.known[name]
        if isinstance(length, BadItem):
            raise BadItem(length.reason, length.fix, length.kind)
        return length


def _checked(turn: Turn, lengths: _Lengths) -> Turn:
    """The turn, which ends where its recording does at the latest.

    Raises:
        BadItem: it cannot be used.
    """
    fix = "nothing, or mend it in the corpus"
    for name, text in zip(LANES, (turn.transcript, *turn.translations[:1])):
        if not text:
            raise BadItem(f"no {name} is left without annotation and punctuation", fix, "text-empty")
        if "\ufffd" in text:
            raise BadItem(f"the {name} holds bytes that are not in its encoding", fix, "text-replacement")
    if not 0 <= turn.start_s < turn.end_s:
        raise BadItem(f"no audio between {turn.start_s:g} s and {turn.end_s:g} s", fix, "segment-invalid")
    if turn.whole:  # read when the audio is formatted
        lengths.check(turn.recording)
        return turn
    length = lengths.of(turn.recording)
    if turn.start_s >= length:
        reason = f"it starts at {turn.start_s:g} s, and {turn.recording} ends at {length:.2f} s"
        raise BadItem(reason, fix, "segment-outside")
    return replace(turn, end_s=min(turn.end_s, length))


def _write_tables(
    out: Path, turns: Sequence[Turn], files: Mapping[str, Path], transcript: str, translation: str | None
) -> None:
    wav, channels = {}, {}
    segments, speakers, transcripts = {}, {}, {}
    # Where one corpus of several has further references, a set of all has none.
    translations: list[dict[str, str]] = [{} for _ in range(min(len(turn.translations) for turn in turns))]
    for turn in turns:
        key = turn.utt_id
        wav[turn.side] = files[turn.recording.lower()].absolute().as_posix()
        if turn.channel is not None:
            channels[turn.side] = f"{turn.recording} {'AB'[turn.channel]}"
        if not turn.whole:
            segments[key] = f"{turn.side} {turn.start_s:.3f} {turn.end_s:.3f}"
        speakers[key], transcripts[key] = turn.speaker, turn.transcript
        for table, text in zip(translations, turn.translations):
            table[key] = text
    tables = {"utt2spk": speakers, transcript: transcripts}
    if segments:
        tables["segments"] = segments
    if translation is not None:
        tables[translation] = translations[0]
    write_table(out / "wav.scp", wav)
    # Tables of an earlier run, of another copy of the corpus, would be read as well.
    for path in (out / "segments", out / CHANNELS, out / TGT_LANGS, out / SRC_LANGS, *out.glob(f"{translation}.*")):
        path.unlink(missing_ok=True)
    if channels:
        write_table(out / CHANNELS, channels)
    languages = {
        TGT_LANGS: {turn.utt_id: turn.tgt_lang for turn in turns if turn.tgt_lang is not None},
        SRC_LANGS: {turn.utt_id: turn.src_lang for turn in turns if turn.src_lang is not None},
    }
    write_data_dir(out, {**tables, **{name: table for name, table in languages.items() if table}})
    for number, table in enumerate(translations[1:], start=1):
        write_table(out / f"{translation}.{number}", table)
