"""FLEURS (arXiv:2205.12446): sentences read in 102 languages, the same ones in each, as the hub has them.

<lang>/{train,dev,test}.tsv         sentence, file, text, normalized text, characters, samples, gender; no header
<lang>/audio/{train,dev,test}/      the files, unpacked from audio/<set>.tar.gz

Column names are from memory; first to third, seventh and the folders are those that public readers use. No speakers are
named: a voice is a language and a gender, so that one talker of a conversation may have several voices.
"""

from __future__ import annotations

from pathlib import Path

from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines
from espnet_jst.data.corpora.wording import english
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder(
        *("fleurs", "FLEURS", "the folder of FLEURS, in which are <lang>/train.tsv and <lang>/audio/train,"),
        "get data/<lang> of https://huggingface.co/datasets/google/fleurs for both languages, unpack audio/*.tar.gz",
    ),
)
SETS = ("train", "dev", "test")
SENTENCE, FILE, TEXT, GENDER = 0, 1, 2, 6
_FIX = "nothing, or mend it in the corpus"


def read_set(corpus: Path, langs: tuple[str, str], name: str) -> list[Reading]:
    """One set in both languages: every recording whose sentence the other language has, too, and its translation.

    Raises:
        ConfigError: a table is missing, or both languages are the same.
    """
    if langs[0] == langs[1]:
        raise ConfigError(f"{langs[0]} and {langs[1]}: give two languages of FLEURS, such as en_us and es_419")
    rows = {lang: _rows(corpus / lang / f"{name}.tsv") for lang in langs}
    texts = {lang: {row[SENTENCE]: english(row[TEXT]) for _, row in found} for lang, (found, _) in rows.items()}
    readings = []
    for lang, other in (langs, langs[::-1]):
        found, problems = rows[lang]
        folder = corpus / lang / "audio" / name
        reading = Reading(audio={f"{lang}-{path.stem}".lower(): path for path in folder.glob("*")}, problems=problems)
        for number, row in found:
            key, sentence = f"{lang}-{Path(row[FILE]).stem}", row[SENTENCE]
            if sentence not in texts[other]:
                reason = f"{lang}/{name}.tsv:{number}: {other} does not have sentence {sentence}"
                problems.append(Problem(key, reason, _FIX, "text-missing"))
                continue
            turn = Turn(
                utt_id=key,
                recording=key,
                speaker=f"{lang}-{row[GENDER].strip().lower()}",
                transcript=english(row[TEXT]),
                translations=(texts[other][sentence],),
            )
            reading.turns.append(turn)
        readings.append(reading)
    return readings


def _rows(table: Path) -> tuple[list[tuple[int, list[str]]], list[Problem]]:
    """The lines of a table with their numbers, and those that are none."""
    found: list[tuple[int, list[str]]] = []
    problems: list[Problem] = []
    for number, line in enumerate(as_lines(table), 1):
        row = line.split("\t")
        if len(row) > GENDER:
            found.append((number, row))
        elif line.strip():
            reason = f"{table}:{number}: {len(row)} columns, and a line of FLEURS has {GENDER + 1}"
            problems.append(Problem(f"{table.parent.name}-{table.stem}-{number}", reason, _FIX, "line-invalid"))
    return found, problems
