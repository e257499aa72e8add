"""Tunisian Arabic to English, IWSLT 2022: LDC2022E01, with the sets of github.com/kevinduh/iwslt22-dialect.

    LDC2022E01/data/audio/ta/<file>.sph           8 kHz, one side of a call: 20170606_000110_13802_A
    LDC2022E01/data/transcripts/ta/<file>.*tsv    start, end, speaker, text
    LDC2022E01/data/translations/ta/<file>.*tsv   the same times and speakers
    iwslt22-dialect/{train,dev,test1}.file_id.txt, exclude-utterance.txt (file, start, end)

Both texts are matched by their times, not by the number of the line: files differ in order and length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.sphere_files import find_audio
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines, seconds
from espnet_jst.data.corpora.wording import plain, tunisian
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder("iwslt22_dialect", "IWSLT22_DIALECT", "LDC2022E01, unpacked", "it comes from the LDC, with a licence"),
    Folder(
        *("iwslt22_splits", "IWSLT22_SPLITS", "the clone with the lists of its sets"),
        "git clone https://github.com/kevinduh/iwslt22-dialect",
    ),
)
SETS = ("train", "dev", "test1")
KINDS = ("transcripts", "translations")
SOURCE, TARGET = "aeb", "en"
_FIX = "nothing, or mend it in the corpus"


class _Line(NamedTuple):
    start: str
    end: str
    speaker: str
    text: str

    @property
    def times(self) -> tuple[float, float]:
        """Raises ValueError where they are no times."""
        return seconds(self.start), seconds(self.end)


def read(corpus: Path, splits: Path, *, normalize: Callable[[str], str] = tunisian) -> Iterator[tuple[str, Reading]]:
    """Each set of the task.

    Args:
        corpus: the unpacked LDC2022E01.
        splits: a clone of the repository with the lists.
        normalize: `wording.tunisian` or `wording.tunisian_folded`.

    Raises:
        ConfigError: a folder or list is not there, or a line of the latter cannot be read.
    """
    audio = find_audio(corpus / "data" / "audio" / "ta")
    tables = {kind: _tables(corpus / "data" / kind / "ta") for kind in KINDS}
    excluded = {*_excluded(splits)}
    for name in SETS:
        reading = Reading(audio=audio)
        for file_id in filter(None, map(str.strip, as_lines(splits / f"{name}.file_id.txt"))):
            if lacking := [kind for kind in KINDS if file_id not in tables[kind]]:
                reason = f"there is no file of it in {' and '.join(lacking)}"
                reading.problems.append(Problem(file_id, reason, _FIX, "text-missing"))
                continue
            paths = [tables[kind][file_id] for kind in KINDS]
            _read_file(file_id, *paths, excluded=excluded, normalize=normalize, reading=reading)
        yield name, reading


def _excluded(splits: Path) -> Iterator[tuple[str, float, float]]:
    """Utterances that the task leaves out: file, start, end."""
    path = splits / "exclude-utterance.txt"
    for number, line in enumerate(as_lines(path), start=1):
        try:
            name, start, end = line.split()
            yield name, seconds(start), seconds(end)
        except ValueError:
            if line.strip():
                raise ConfigError(
                    f"{path}:{number}: not file, start and end: {line[:60]!r}; take the lists of the clone, unchanged"
                ) from None


def _tables(folder: Path) -> dict[str, Path]:
    """File id -> its table."""
    found = {path.name.split(".")[0]: path for path in sorted(folder.glob("*.tsv")) if not path.name.startswith("._")}
    if not found:
        raise ConfigError(f"{folder}: no .tsv in it; give the unpacked LDC2022E01, which has data/ in it")
    return found


def _read_file(
    file_id: str,
    transcripts: Path,
    translations: Path,
    *,
    excluded: set[tuple[str, float, float]],
    normalize: Callable[[str], str],
    reading: Reading,
) -> None:
    translated = {line.times: line.text for line in _lines(translations, reading)}
    for line in _lines(transcripts, reading):
        start_s, end_s = line.times
        if (file_id, start_s, end_s) in excluded:
            continue
        times = "-".join(f"{round(1000 * time):07d}" for time in line.times)
        speaker = "-".join(line.speaker.split())
        utt_id = f"{speaker}_{file_id}_{times}"
        if line.times not in translated:
            reading.problems.append(Problem(utt_id, "no translation has its times", _FIX, "text-missing"))
            continue
        turn = Turn(
            utt_id=utt_id,
            recording=file_id,
            start_s=start_s,
            end_s=end_s,
            speaker=speaker,
            transcript=normalize(line.text),
            translations=(plain(translated[line.times]),),
        )
        reading.turns.append(turn)


def _lines(path: Path, reading: Reading) -> Iterator[_Line]:
    """The lines of a table; one whose text is empty may lack its last tab."""
    for number, line in enumerate(as_lines(path), start=1):
        fields = line.split("\t")
        try:
            found = _Line(*(fields if len(fields) == 4 else [*fields, ""]))
            _ = found.times
        except (TypeError, ValueError):
            if line.strip():
                reason = f"{path.name}:{number}: not start, end, speaker and text, with tabs: {line[:60]!r}"
                reading.problems.append(Problem(path.name.split(".")[0], reason, _FIX, "line-invalid"))
            continue
        yield found
