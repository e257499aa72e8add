"""CoVoST 2 (arXiv:2007.10310): clips of Common Voice 4 and translations, from English into 15 languages or into it.

<common voice>/<src>/clips/<clip>.mp3                       any other format as well
<covost>/covost_v2.<src>_<tgt>.{train,dev,test}.tsv         path, sentence, translation, client_id
"""

from __future__ import annotations

import csv
from pathlib import Path

from espnet_jst.config import check_choice
from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.directions import ALL, Direction, Directions
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.foreign_audio import find_recordings
from espnet_jst.data.corpora.turns import Reading, Turn
from espnet_jst.data.corpora.wording import plain
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder(
        *("common_voice", "COMMON_VOICE", "the folder of Common Voice 4, in which is en/clips or another language's,"),
        "get cv-corpus-4-2019-12-10 from https://commonvoice.mozilla.org/datasets, unpack it",
    ),
    Folder(
        *("covost", "COVOST2", "the folder of CoVoST 2 with the file covost_v2.<src>_<tgt>.train.tsv,"),
        "get covost_v2.<src>_<tgt>.tsv.tar.gz from https://github.com/facebookresearch/covost and split it with its "
        "get_covost_splits.py",
    ),
)
FROM_ENGLISH = ("ar", "ca", "cy", "de", "et", "fa", "id", "ja", "lv", "mn", "sl", "sv-SE", "ta", "tr", "zh-CN")
INTO_ENGLISH = (
    *("ar", "ca", "cy", "de", "es", "et", "fa", "fr", "id", "it", "ja", "lv", "mn", "nl", "pt", "ru", "sl", "sv-SE"),
    *("ta", "tr", "zh-CN"),
)
SETS = ("train", "dev", "test")
CASES = ("lc.rm", "tc")
COLUMNS = ("path", "sentence", "translation", "client_id")
_FIX = "nothing, or mend it in the corpus"


def check_direction(src: str, tgt: str) -> None:
    """Refuse a direction that CoVoST 2 does not have.

    Raises:
        ConfigError: names those that it has.
    """
    if src == "en":
        check_choice(tgt, FROM_ENGLISH, "the target language of CoVoST 2 from English")
    elif tgt == "en":
        check_choice(src, INTO_ENGLISH, "the spoken language of CoVoST 2 into English")
    else:
        raise ConfigError(f"{src} to {tgt}: CoVoST 2 translates from English or into it")


def parse_directions(text: str) -> Directions:
    """Read "de,es,it,fr-en", "all-en", "en-de", "en-de,zh-CN" or "en-all".

    Raises:
        ConfigError: CoVoST 2 does not have one of them.
    """
    found = Directions.parse(text, ("en", *INTO_ENGLISH))
    sides = text.split("-")
    if ALL in (sides[0], sides[-1]):
        from_english = [Direction("en", tgt) for tgt in FROM_ENGLISH]
        found = Directions(each for each in found if each.tgt == "en" or each in from_english)
    for direction in found:
        check_direction(*direction)
    return found


def read_directions(common_voice: Path, covost: Path, directions: Directions, name: str) -> list[Reading]:
    """One set of several directions; a clip that is translated into several languages is as many utterances.

    Raises:
        ConfigError: a file is missing or lacks a column.
    """
    readings = [read_set(common_voice, covost, *direction, name) for direction in directions]
    for direction, reading in zip(directions, readings, strict=True):
        reading.turns[:] = [directions.named(turn, direction) for turn in reading.turns]
    return readings


def read_set(common_voice: Path, covost: Path, src: str, tgt: str, name: str) -> Reading:
    """One set of a direction; every clip is an utterance.

    Raises:
        ConfigError: a file is missing or lacks a column.
    """
    check_direction(src, tgt)
    table = covost / f"covost_v2.{src}_{tgt}.{name}.tsv"
    if not table.is_file():
        raise ConfigError(f"{table} is missing: get_covost_splits.py of CoVoST 2 makes it")
    reading = Reading(audio=find_recordings(common_voice / src / "clips"))
    with table.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        lacking = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if lacking:
            raise ConfigError(f"{table} has no column {lacking[0]}: it is not of CoVoST 2")
        for number, row in enumerate(rows, start=2):
            if any(row[column] is None for column in COLUMNS):
                reason = f"{table}:{number}: fewer columns than the first line"
                reading.problems.append(Problem(f"{name}_{number}", reason, _FIX, "line-invalid"))
                continue
            clip = Path(row["path"]).stem
            reading.turns.append(
                Turn(
                    utt_id=clip,
                    recording=clip,
                    speaker=row["client_id"][:16] or clip,
                    transcript=plain(row["sentence"]),
                    translations=(" ".join(row["translation"].split()),),
                )
            )
    return reading
