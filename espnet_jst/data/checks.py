"""Checks of one utterance before training. Each yields one message with the item, what is wrong and what to do.

The stages use them to leave bad utterances out and list them in `skipped.jsonl`; anything else that examines a data
directory can run the same checks and only print.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from espnet_jst.data.audio_file import BadItem
from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import DataError

SKIPPED = "skipped.jsonl"


@dataclass(frozen=True)
class Problem:
    """Why an utterance is left out, and what to do about it."""

    utt_id: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.utt_id}: {self.reason}; {self.fix}"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an utterance must keep to.

    Attributes:
        min_s: shortest audio in seconds.
        max_s: longest audio in seconds; memory in training grows with it.
        frame_s: seconds of audio that one encoder output frame stands for (frame shift times subsampling).
        tags: symbols of the serialized output, which no text may hold.
    """

    min_s: float = 0.1
    max_s: float = 30.0
    frame_s: float = 0.04
    tags: tuple[str, ...] = ()


def check_duration(samples: int, fs: int, limits: Limits) -> None:
    """Refuse audio that is too short or too long.

    Raises:
        BadItem: names the duration and the limit.
    """
    duration_s = samples / fs
    if duration_s < limits.min_s:
        raise BadItem(f"{duration_s:.3f} s of audio, under {limits.min_s:g} s", "drop it or lower --min_wav_duration")
    if duration_s > limits.max_s:
        raise BadItem(
            f"{duration_s:.1f} s of audio, over {limits.max_s:g} s", "split it (segments) or raise --max_wav_duration"
        )


def check_text(name: str, text: str, limits: Limits) -> None:
    """Refuse text that is empty or holds a symbol reserved for the serialized output.

    Args:
        name: file or lane, for the message.
        text: the words, separated by blanks.

    Raises:
        BadItem: names the file and the symbol.
    """
    words = text.split()
    if not words:
        raise BadItem(f"{name}: the text is empty", "write the text or remove the utterance")
    reserved = sorted(set(words) & set(limits.tags))
    if reserved:
        raise BadItem(f"{name}: the text holds the reserved symbol {reserved[0]}", "remove it or choose other tags")


def check_fit(name: str, labels: Sequence[object], samples: int, fs: int, limits: Limits) -> None:
    """Refuse text that CTC cannot place in the frames: a frame a label and one more between two equal ones.

    Args:
        labels: token ids, or words where no token list exists yet (a lower bound).

    Raises:
        BadItem: names the number of labels and of frames.
    """
    needed = len(labels) + sum(first == second for first, second in pairwise(labels))
    frames = int(samples / fs / limits.frame_s)
    if needed > frames:
        raise BadItem(
            f"{name}: {len(labels)} labels need {needed} frames and {samples / fs:.2f} s of audio give {frames} "
            f"(one in {limits.frame_s * 1000:g} ms)",
            "check that text and audio belong together, or subsample less",
        )


def check_alignment(value: str, source_words: int, target_words: int) -> None:
    """Refuse word links that are missing, malformed or point outside the text.

    Args:
        value: Pharaoh links "0-0 1-2"; "-" for none.

    Raises:
        BadItem: names the link and the lengths of the text.
    """
    links = [] if value.strip() in ("", "-") else value.split()
    if not links:
        raise BadItem("transcript and translation have no word link", "check that they belong to the same utterance")
    for link in links:
        i, _, j = link.partition("-")
        if not (i.isdecimal() and j.isdecimal() and int(i) < source_words and int(j) < target_words):
            raise BadItem(
                f"word link {link} does not fit {source_words} source and {target_words} target words",
                "align the text again (remove the alignment file to use the built-in aligner)",
            )


def check_word_times(value: str, source_words: int) -> None:
    """Refuse word end times that are not one number a source word.

    Raises:
        BadItem: names the count and the number of words.
    """
    times = [] if value.strip() in ("", "-") else value.split()
    try:
        numbers = [float(time) for time in times]
    except ValueError:
        raise BadItem(f"word times {value!r} are not numbers", "write the end of each source word in seconds") from None
    if numbers and len(numbers) != source_words:
        raise BadItem(f"{len(numbers)} word times for {source_words} source words", "write one end time a word, or '-'")


def check_leaks(sets: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Notes on utterances that two sets share, by name or by audio: a test set must not be heard in training.

    Args:
        sets: set -> its `wav.scp`.
    """
    notes = []
    names = list(sets)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            keys = sorted(set(sets[first]) & set(sets[second]))
            audio = set(sets[first].values()) & set(sets[second].values())
            if keys or audio:
                example = keys[0] if keys else sorted(audio)[0]
                notes.append(f"{first} and {second} share {max(len(keys), len(audio))} utterances (e.g. {example})")
    return notes


def missing_items(tables: Mapping[str, Mapping[str, str]]) -> tuple[list[str], list[Problem]]:
    """Utterances that every file names, and a problem for each that some file lacks.

    Args:
        tables: file name -> its table.

    Raises:
        DataError: no utterance is in every file.
    """
    every: dict[str, None] = {}
    for table in tables.values():
        every.update(dict.fromkeys(table))
    problems = []
    for key in every:
        lacking = [name for name, table in tables.items() if key not in table]
        if lacking:
            problems.append(Problem(key, f"missing in {', '.join(lacking)}", "add the line or remove the utterance"))
    bad = {problem.utt_id for problem in problems}
    common = [key for key in every if key not in bad]
    if not common:
        counts = ", ".join(f"{name} {len(table)}" for name, table in tables.items())
        raise DataError(f"no utterance is in every file ({counts} lines); check that the files use the same keys")
    return common, problems


def write_skipped(directory: str | Path, problems: Iterable[Problem]) -> None:
    """Write `skipped.jsonl` (utt_id, reason, fix); an empty file says that nothing was left out."""
    lines = [json.dumps(asdict(problem), ensure_ascii=False) for problem in problems]
    Path(directory).mkdir(parents=True, exist_ok=True)
    (Path(directory) / SKIPPED).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_skipped(directory: str | Path) -> Iterator[Problem]:
    """Read `skipped.jsonl`; nothing where the file does not exist."""
    path = Path(directory) / SKIPPED
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Problem(**json.loads(line))


def read_tables(directory: str | Path, names: Iterable[str]) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """Read the named tables of a data directory; lines that cannot be used become problems.

    Raises:
        DataError: a file is missing.
    """
    problems: list[Problem] = []
    tables = {
        name: read_table(Path(directory) / name, on_bad=lambda *bad: problems.append(Problem(*bad))) for name in names
    }
    return tables, problems
