"""MuST-C v1 and v2 (Di Gangi et al., 2019): TED talks in English and their translations, one folder a target language.

<corpus>/en-<tgt>/data/<set>/wav/<talk>.wav
<corpus>/en-<tgt>/data/<set>/txt/<set>.yaml         a line a segment: {duration: ..., offset: ..., wav: ... and others}
<corpus>/en-<tgt>/data/<set>/txt/<set>.{en,<tgt>}   line by line
"""

from __future__ import annotations

import re
from pathlib import Path

from espnet_jst.config import check_choice
from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.foreign_audio import find_recordings
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines, hundredths, seconds
from espnet_jst.data.corpora.wording import plain
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder(
        *("corpus", "MUST_C", "the folder of MuST-C, in which is en-de or another direction,"),
        "get it from https://mt.fbk.eu/must-c, unpack it",
    ),
)
LANGUAGES = ("ar", "cs", "de", "es", "fa", "fr", "it", "ja", "nl", "pt", "ro", "ru", "tr", "vi", "zh")
SETS = ("train", "dev", "tst-COMMON", "tst-HE")
CASES = ("lc.rm", "tc")  # transcript and translation, as ESPnet's recipe has them and BLEU is published
_FIX = "nothing, or mend it in the corpus"
_PAIR = re.compile(r"(\w+):\s*([^,}]+)")


def find_direction(corpus: Path, tgt: str) -> Path:
    """The folder `data` of a direction, whether the corpus or the direction was given.

    Raises:
        ConfigError: there is none.
    """
    check_choice(tgt, LANGUAGES, "the target language of MuST-C")
    for folder in (corpus / f"en-{tgt}" / "data", corpus / "data"):
        if folder.is_dir() and (folder.parent.name == f"en-{tgt}" or folder == corpus / f"en-{tgt}" / "data"):
            return folder
    raise ConfigError(f"{corpus}: neither en-{tgt}/data nor a folder data of en-{tgt} is in it; unpack MuST-C en-{tgt}")


def read_set(corpus: Path, tgt: str, name: str) -> Reading:
    """One set of a direction.

    Raises:
        ConfigError: a file is missing, or of another length than those beside it.
    """
    folder = find_direction(corpus, tgt) / name
    segments, english, translated = (as_lines(folder / "txt" / f"{name}.{part}") for part in ("yaml", "en", tgt))
    segments = [line for line in segments if line.strip()]
    if not len(segments) == len(english) == len(translated):
        counts = f"{len(segments)}, {len(english)} and {len(translated)}"
        raise ConfigError(f"{folder}/txt: files of {counts} lines belong together line by line: unpack it again")
    reading = Reading(audio=find_recordings(folder / "wav"))
    for number, (line, spoken, target) in enumerate(zip(segments, english, translated, strict=True), start=1):
        values = dict(_PAIR.findall(line))
        try:
            start_s = seconds(values["offset"])
            end_s = start_s + seconds(values["duration"])
            talk, speaker = Path(values["wav"].strip()).stem, values["speaker_id"].strip()
        except (KeyError, ValueError):
            reason = f"{folder}/txt/{name}.yaml:{number}: not wav, offset, duration and speaker: {line[:60]!r}"
            reading.problems.append(Problem(f"{name}_{number}", reason, _FIX, "line-invalid"))
            continue
        reading.turns.append(
            Turn(
                utt_id=f"{talk}_{hundredths(start_s)}_{hundredths(end_s)}",
                recording=talk,
                start_s=start_s,
                end_s=end_s,
                speaker=speaker,
                transcript=plain(spoken),
                translations=(" ".join(target.split()),),
            )
        )
    return reading
