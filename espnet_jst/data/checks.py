"""Checks of one utterance before training. Each yields one message with the item, what is wrong and what to do.

The stages use them to leave bad utterances out and list them in `skipped.jsonl`; anything else that examines a data
directory can run the same checks and only print.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from espnet_jst.config import json_text
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.kaldi import printable, read_table
from espnet_jst.data.text_checks import check_signs
from espnet_jst.text.token_list import is_tag

SKIPPED = "skipped.jsonl"
NO_VALUE = "-"  # ESPnet's readers refuse an empty value: this stands for one in links, times and texts
ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """What is wrong with an utterance, and what to do about it.

    Attributes:
        kind: short name of this sort of problem, the same in every version.
        severity: "error": the utterance is left out; "warning": it is used, but changed or suspicious.
    """

    utt_id: str
    reason: str
    fix: str
    kind: str = "other"
    severity: str = ERROR

    def __str__(self) -> str:
        return printable(f"{self.utt_id}: {self.reason}; {self.fix}")

    @classmethod
    def of(cls, utt_id: str, bad: BadItem) -> Problem:
        """The problem that an exception reports."""
        return cls(utt_id, bad.reason, bad.fix, bad.kind)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an utterance must keep to.

    Attributes:
        min_s: shortest audio in seconds.
        max_s: longest audio in seconds; memory in training grows with it.
        max_chars: longest text in characters; memory in training grows with it.
        frame_s: seconds of audio that one encoder output frame stands for (frame shift times subsampling).
        tags: symbols of the serialized output, which no text may hold.
        speakers: tags by which texts say who speaks; where there are some, a text has no others.
    """

    min_s: float = 0.1
    max_s: float = 30.0
    max_chars: int = 1000
    frame_s: float = 0.04
    tags: tuple[str, ...] = ()
    speakers: tuple[str, ...] = ()


def check_duration(samples: int, fs: int, limits: Limits) -> None:
    """Refuse audio that is too short or too long.

    Raises:
        BadItem: names the duration and the limit.
    """
    duration_s = samples / fs
    if duration_s < limits.min_s:
        reason = f"{duration_s:.3f} s of audio, under {limits.min_s:g} s"
        raise BadItem(reason, "drop it or lower --min_wav_duration", "audio-short")
    if duration_s > limits.max_s:
        reason = f"{duration_s:.1f} s of audio, over {limits.max_s:g} s"
        raise BadItem(reason, "split it (segments) or raise --max_wav_duration", "audio-long")


def check_text(name: str, text: str, limits: Limits) -> None:
    """Refuse text that is empty, very long, or holds signs that no speaker said (`text_checks`).

    Raises:
        BadItem: names the file and the length or the symbol.
    """
    if not text.strip() or text.strip() == NO_VALUE:
        what = f"'{NO_VALUE}', which stands for nothing" if text.strip() else "empty, or of invisible characters"
        raise BadItem(f"{name}: the text is {what}", "write the text or remove the utterance", "text-empty")
    if len(text) > limits.max_chars:
        reason = f"{name}: {len(text)} characters of text, over {limits.max_chars}"
        raise BadItem(reason, "split the utterance or raise --max_text_chars", "text-long")
    check_signs(name, text, limits.tags)
    strangers = [word for word in text.split() if limits.speakers and is_tag(word) and word not in limits.speakers]
    if strangers:
        reason = f"{name}: {strangers[0]} speaks, and the speakers are {', '.join(limits.speakers)}"
        raise BadItem(reason, "name all in preprocessor_conf.speakers, or call them otherwise", "text-unknown-speaker")


def check_fit(name: str, labels: Sequence[object], samples: int, fs: int, limits: Limits) -> None:
    """Refuse text that CTC cannot place in the frames: a frame a label and one more between two equal ones.

    Args:
        labels: token ids, or words where no token list exists yet (a lower bound).

    Raises:
        BadItem: names the number of labels and of frames.
    """
    needed = ctc_frames(labels)
    frames = int(samples / fs / limits.frame_s)
    if needed > frames:
        raise BadItem(
            f"{name}: {len(labels)} labels need {needed} frames and {samples / fs:.2f} s of audio give {frames} "
            f"(one in {limits.frame_s * 1000:g} ms)",
            "check that text and audio belong together, or subsample less",
            "text-over-frames",
        )


def ctc_frames(labels: Sequence[object]) -> int:
    """Frames that CTC needs for labels: one each, and one more between two equal ones."""
    return len(labels) + sum(first == second for first, second in pairwise(labels))


def check_alignment(value: str, source_words: int, target_words: int) -> None:
    """Refuse word links that are missing, malformed or point outside the text.

    Args:
        value: Pharaoh links "0-0 1-2"; "-" for none.

    Raises:
        BadItem: names the link and the lengths of the text.
    """
    links = [] if value.strip() in ("", "-") else value.split()
    if not links:
        raise BadItem(
            "transcript and translation have no word link",
            "check that they belong to the same utterance",
            "links-missing",
        )
    fix = "align the text again (remove the alignment file to use the built-in aligner)"
    for link in links:
        i, _, j = link.partition("-")
        if not (i.isdecimal() and j.isdecimal() and len(link) < 20):  # longer ones Python does not convert
            raise BadItem(f"word link {link[:40]} is not of the form 0-1", fix, "links-invalid")
        if int(i) >= source_words or int(j) >= target_words:
            reason = f"word link {link} does not fit {source_words} source and {target_words} target words"
            raise BadItem(reason, fix, "links-out-of-range")


def check_word_times(value: str, source_words: int) -> None:
    """Refuse word end times that are not one number a source word, each at or after the one before.

    Args:
        value: seconds "0.31 0.70"; "-" for none.

    Raises:
        BadItem: names the count and the number of words, or the two times.
    """
    times = [] if value.strip() in ("", "-") else value.split()
    try:
        numbers = [float(time) for time in times]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        fix = "write the end of each source word in seconds"
        raise BadItem(f"word times {value!r} are not numbers", fix, "times-invalid")
    if numbers and len(numbers) != source_words:
        reason = f"{len(numbers)} word times for {source_words} source words"
        raise BadItem(reason, "write one end time a word, or '-'", "times-count")
    for before, after in pairwise([0.0, *numbers]):
        if after < before:
            raise BadItem(
                f"word times run backwards: {after:g} s after {before:g} s",
                "write where each word ends (not how long it is), in the order of the transcript",
                "times-backwards",
            )


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


def missing_items(tables: Mapping[str, Mapping[str, object]]) -> list[Problem]:
    """A problem for each utterance that some file lacks."""
    every: dict[str, None] = {}
    for table in tables.values():
        every.update(dict.fromkeys(table))
    problems = []
    for key in every:
        lacking = [name for name, table in tables.items() if key not in table]
        if lacking:
            kind = "text-missing" if all(name.startswith("text") for name in lacking) else "keys-differ"
            reason = f"missing in {', '.join(lacking)}"
            problems.append(Problem(key, reason, "add the line or remove the utterance", kind))
    return problems


def write_problems(path: str | Path, problems: Iterable[Problem], *, append: bool = False) -> None:
    """Write problems as JSON, one a line (utt_id, reason, fix, kind, severity)."""
    lines = [json_text(asdict(problem), ensure_ascii=False) for problem in problems]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a" if append else "w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def write_skipped(directory: str | Path, problems: Iterable[Problem]) -> None:
    """Write `skipped.jsonl`; an empty file says that nothing was left out."""
    write_problems(Path(directory) / SKIPPED, problems)


def read_skipped(directory: str | Path) -> Iterator[Problem]:
    """Read `skipped.jsonl`; nothing where the file does not exist."""
    path = Path(directory) / SKIPPED
    if path.is_file():
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
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
