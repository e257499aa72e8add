"""TED-LIUM 3 (Hernandez et al., 2018), its `legacy` split: a SPHERE file and an STM table a talk."""

from __future__ import annotations

import re
from pathlib import Path

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines, hundredths, seconds
from espnet_jst.data.corpora.wording import plain
from espnet_jst.errors import ConfigError

FOLDERS = (Folder("tedlium", "TEDLIUM3", "TED-LIUM 3", "unpack TEDLIUM_release-3.tgz of https://www.openslr.org/51"),)
SOURCE = "en"
SETS = ("train", "dev", "test")
IGNORED = "ignore_time_segment_in_scoring"
_EVENTS = re.compile(r"<[^>]*>|\{[^}]*\}|\([^)]*\)")  # <unk>, {NOISE}, and the number of a pronunciation
_SUFFIX = re.compile(r" '(?=\w)")  # "it 's": one word, two tokens of the table


def wording(text: str) -> str:
    """A line of a table as it is trained and scored."""
    return plain(_SUFFIX.sub("'", " ".join(_EVENTS.sub(" ", text).split())))


def read(corpus: Path) -> list[tuple[str, list[Reading]]]:
    """train, dev and test.

    Raises:
        ConfigError: the folder is not that of the corpus.
    """
    root = corpus / "TEDLIUM_release-3" if (corpus / "TEDLIUM_release-3").is_dir() else corpus
    return [(name, [_read_set(root / "legacy" / name)]) for name in SETS]


def _read_set(folder: Path) -> Reading:
    tables = sorted((folder / "stm").glob("*.stm"))
    if not tables:
        raise ConfigError(f"{folder / 'stm'} has no .stm files: give the unpacked TEDLIUM_release-3 (its legacy split)")
    reading = Reading(audio={path.stem.lower(): path for path in (folder / "sph").glob("*.sph")})
    for table in tables:
        for number, line in enumerate(as_lines(table), start=1):
            columns = line.split(maxsplit=6)
            if not line or line.startswith(";;") or (len(columns) > 6 and columns[6].strip() == IGNORED):
                continue
            try:
                talk, _, _, start, end, _, text = columns
                start_s, end_s = seconds(start), seconds(end)
            except ValueError:
                bad = BadItem(f"line {number} is no segment: {line[:60]!r}", "mend the line", "segment-invalid")
                reading.problems.append(Problem.of(f"{table.name}:{number}", bad))
                continue
            name = f"{talk}-{hundredths(start_s)}-{hundredths(end_s)}"
            said = wording(text)
            turn = Turn(utt_id=name, recording=talk, start_s=start_s, end_s=end_s, speaker=talk, transcript=said)
            reading.turns.append(turn)
    return reading
