"""Tables of recordings and their texts (TSV, CSV), and cut manifests of Lhotse, as one corpus of the user's own."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from espnet_jst.config import closest, shown
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.turns import Reading, Turn
from espnet_jst.data.corpora.wording import CASE, plain
from espnet_jst.errors import ConfigError

AS_WRITTEN = "tc"
CASES = (AS_WRITTEN, CASE)
# What columns are usually called, best first.
USUAL: Mapping[str, Sequence[str]] = {
    "audio": ("audio", "path", "file", "file_name", "filename", "wav", "audio_path"),
    "transcript": ("transcript", "sentence", "text", "transcription", "src_text"),
    "translation": ("translation", "translated_text", "target", "tgt_text"),
    "speaker": ("speaker", "speaker_id", "client_id", "spk"),
    "id": ("id", "utt_id", "key", "utterance"),
    "start": ("start", "start_s", "start_time", "offset"),
    "end": ("end", "end_s", "end_time"),
}
NEEDED = ("audio", "transcript")
LONGEST_S = 1e9
_FIX = "nothing, or mend the table"


@dataclass(frozen=True)
class Columns:
    """Name of the column of each of `USUAL`; None where there is none."""

    names: Mapping[str, str | None]

    @classmethod
    def found(cls, given: Mapping[str, str | None], there: Sequence[str], where: object) -> Columns:
        """Those that are given, else those with a usual name.

        Raises:
            ConfigError: a column is not there, or one that is needed cannot be guessed.
        """
        names: dict[str, str | None] = {}
        for what, usual in USUAL.items():
            wanted = given.get(what)
            if wanted is not None and wanted not in there:
                raise ConfigError(
                    f"{where} has no column {shown(wanted)}{closest(wanted, there)}: its columns are {', '.join(there)}"
                )
            names[what] = wanted or next((name for name in usual if name in there), None)
            if names[what] is None and what in NEEDED:
                raise ConfigError(f"{where}: which column is the {what}? give --{what}, one of {', '.join(there)}")
        return cls(names)

    def value(self, row: Mapping[str, Any], what: str) -> str:
        """What a row says, empty where it says nothing."""
        name = self.names[what]
        value = None if name is None else row.get(name)
        return "" if value is None else str(value).strip()


def worded(text: str, case: str) -> str:
    """A text as it is written, or in the form of "lc.rm"."""
    return plain(text) if case == CASE else " ".join(text.split())


def read_rows(
    rows: Iterable[tuple[str, Mapping[str, Any]]], columns: Columns, *, audio_dir: Path, cases: tuple[str, str]
) -> Reading:
    """A corpus from rows.

    Args:
        rows: where each is, for messages, and its values.
        audio_dir: what paths of recordings are relative to.
        cases: of transcript and translation.
    """
    files: dict[str, Path] = {}
    reading = Reading(audio=files)
    translated = columns.names["translation"] is not None
    for where, row in rows:
        try:
            turn, path = _turn(row, columns, audio_dir, cases, translated)
        except BadItem as bad:
            reading.problems.append(Problem.of(where, bad))
            continue
        if path.is_file():  # else it is said of the utterance
            files[turn.recording.lower()] = path
        reading.turns.append(turn)
    if any(not turn.whole for turn in reading.turns):  # then all are parts, up to the end of their recordings
        reading.turns[:] = [replace(turn, end_s=min(turn.end_s, LONGEST_S)) for turn in reading.turns]
    return reading


def _turn(
    row: Mapping[str, Any], columns: Columns, audio_dir: Path, cases: tuple[str, str], translated: bool
) -> tuple[Turn, Path]:
    audio = columns.value(row, "audio")
    if not audio:
        raise BadItem("it names no recording", _FIX, "line-invalid")
    path = audio_dir / audio
    times = []
    for what, default in (("start", 0.0), ("end", math.inf)):
        said = columns.value(row, what)
        try:
            times.append(float(said) if said else default)
        except ValueError:
            raise BadItem(f"its {what} is {shown(said)}: give seconds", _FIX, "segment-invalid") from None
    whole = times == [0.0, math.inf]
    key = columns.value(row, "id") or (path.stem if whole else f"{path.stem}-{round(100 * times[0]):07d}")
    turn = Turn(
        utt_id="_".join(key.split()),
        recording="_".join("_".join(part.split()) for part in Path(audio).parts if part != "/"),
        start_s=times[0],
        end_s=times[1],
        speaker="_".join((columns.value(row, "speaker") or key).split()),
        transcript=worded(columns.value(row, "transcript"), cases[0]),
        translations=(worded(columns.value(row, "translation"), cases[1]),) if translated else (),
    )
    return turn, path


def read_table(
    table: Path, given: Mapping[str, str | None], *, audio_dir: Path | None, cases: tuple[str, str]
) -> Reading:
    """A table whose first line has the names of its columns; `.csv` with commas and quotes, else with tabs.

    Raises:
        ConfigError: it is missing, is no text, or lacks a column.
    """
    if not table.is_file():
        raise ConfigError(f"{table}: there is no such table")
    form: dict[str, Any] = {} if table.suffix == ".csv" else {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, **form)
            there = list(reader.fieldnames or ())
            columns = Columns.found(given, there, table)
            rows = [(f"line_{number}", row) for number, row in enumerate(reader, start=2)]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{table} is not UTF-8 ({error.reason} at byte {error.start}): save it as UTF-8") from None
    return read_rows(rows, columns, audio_dir=audio_dir or table.parent, cases=cases)


def read_cuts(
    manifest: Path, given: Mapping[str, str | None], *, audio_dir: Path | None, cases: tuple[str, str]
) -> Reading:
    """The supervisions of a manifest of Lhotse's cuts (`.jsonl`, `.jsonl.gz`); each is an utterance.

    Args:
        given: `translation` is the way to the text in `custom` of a supervision, with dots: translated_text.es.

    Raises:
        ConfigError: it is missing or no such manifest.
    """
    if not manifest.is_file():
        raise ConfigError(f"{manifest}: there is no such manifest")
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for number, cut in _cuts(manifest):
        try:
            rows += _supervisions(cut, given.get("translation"))
        except (KeyError, TypeError, IndexError, AttributeError):
            raise ConfigError(
                f"{manifest}:{number}: no cut with a recording in a file: save the cuts by cuts.to_file('x.jsonl.gz')"
            ) from None
    names: dict[str, str | None] = {name: name for name in USUAL}
    if all(not row["translation"] for _, row in rows):
        names["translation"] = None
    return read_rows(rows, Columns(names), audio_dir=audio_dir or Path(), cases=cases)


def _cuts(manifest: Path) -> Iterator[tuple[int, Any]]:
    opened = gzip.open if manifest.suffix == ".gz" else open
    try:
        with opened(manifest, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield number, json.loads(line)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{manifest}: no manifest of cuts, a line of JSON each ({error})") from error


def _supervisions(cut: Mapping[str, Any], way: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    recording = cut["recording"]
    source = next(source["source"] for source in recording["sources"] if source["type"] == "file")
    length = float(recording["duration"])
    for said in cut["supervisions"]:
        start = float(cut["start"]) + float(said["start"])
        end = start + float(said["duration"])
        whole = start <= 0 and end >= length - 1e-3
        custom: Any = said.get("custom") or {}
        found = custom
        for step in (way or "translation").split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        times = {} if whole else {"start": f"{max(0.0, start):.4f}", "end": f"{min(end, length):.4f}"}
        yield (
            said["id"],
            {
                "audio": source,
                "transcript": said.get("text") or "",
                "translation": found if isinstance(found, str) else "",
                "speaker": said.get("speaker") or said["id"],
                "id": said["id"],
                **times,
            },
        )
