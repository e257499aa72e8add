"""LibriSpeech (Panayotov et al., 2015) as it is unpacked: <part>/<speaker>/<chapter>/<utterance>.flac and a table of
transcripts beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.corpora.folders import Folder
from espnet_jst.data.corpora.turns import Reading, Turn, as_lines
from espnet_jst.data.corpora.wording import plain
from espnet_jst.errors import ConfigError

FOLDERS = (
    Folder(
        "librispeech", "LIBRISPEECH", "LibriSpeech", "unpack the files of https://www.openslr.org/12 into one folder"
    ),
)
SOURCE = "en"
TRAINING = ("train-clean-100", "train-clean-360", "train-other-500")
HELD_OUT = ("dev-clean", "dev-other", "test-clean", "test-other")


def read(corpus: Path, parts: Sequence[str] = ()) -> list[tuple[str, list[Reading]]]:
    """The sets by name: train of some parts (by default all that are there), dev of both, and the four held out ones.

    Raises:
        ConfigError: a part is not there, or none of the training.
    """
    root = corpus / "LibriSpeech" if (corpus / "LibriSpeech").is_dir() else corpus
    there = [part for part in TRAINING if (root / part).is_dir()]
    training = list(parts) or there
    missing = [part for part in (*training, *HELD_OUT) if not (root / part).is_dir()]
    if missing or not training:
        raise ConfigError(
            f"{root}: {', '.join(missing or TRAINING)} is not there: unpack it from https://www.openslr.org/12, or "
            f"name what is there: --local_data_opts '--parts {' '.join(there) or TRAINING[0]}'"
        )
    held_out = {part: _read_part(root / part) for part in HELD_OUT}
    train = [_read_part(root / part) for part in training]
    dev = [held_out["dev-clean"], held_out["dev-other"]]
    return [("train", train), ("dev", dev), *((part.replace("-", "_"), [held_out[part]]) for part in HELD_OUT)]


def _read_part(folder: Path) -> Reading:
    audio = {path.stem.lower(): path for path in folder.glob("*/*/*.flac")}
    reading = Reading(audio=audio)
    for table in sorted(folder.glob("*/*/*.trans.txt")):
        for number, line in enumerate(as_lines(table), start=1):
            name, _, text = line.partition(" ")
            if not text.strip():
                bad = BadItem(
                    f"line {number} of {table.name} has no text: {line[:40]!r}", "mend the line", "text-empty"
                )
                reading.problems.append(Problem.of(name or table.name, bad))
                continue
            speaker = name.rpartition("-")[0]  # and chapter, as in Kaldi's and ESPnet's directories
            turn = Turn(utt_id=name, recording=name, speaker=speaker, transcript=plain(text))
            reading.turns.append(turn)
    return reading
