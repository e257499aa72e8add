"""The single utterances that conversations are made of: each is heard once, before anything is drawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from uuid import uuid4

import numpy as np

from espnet_jst.config import json_text
from espnet_jst.data import checks
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import NO_VALUE, Limits, Problem
from espnet_jst.data.kaldi import Segment
from espnet_jst.data.simulation.conf import Range, SimulationConf
from espnet_jst.data.utterances import AudioItem, hear, read_set
from espnet_jst.errors import DataError
from espnet_jst.jobs.shards import run_shards, split

SHARD = 128  # utterances
ACTIVE_DB = 30.0  # frames that are so much softer than the loudest are pauses
ACTIVE_FRAME_S = 0.02
TIMES, SPANS = "word_times", "word_times.ref"  # ends of words; starts and ends ("0.10:0.42")
LANGUAGES, LINKS = "utt2lang", "alignment"
Table = dict[str, str]
Survey = tuple[float, float, float]
"""Rate in Hz, number of samples, power."""


@dataclass(frozen=True)
class Utterance:
    """A usable utterance of one speaker.

    Attributes:
        language: from utt2lang; empty where there is none.
        power: mean of the squares where there is speech.
        texts: file of the data directory -> text.
        times: `word_times` or `word_times.ref` -> the utterance's line; without those that have none.
        links: between the words of its texts, which are handed on as they are; empty where there are none.
    """

    item: AudioItem
    speaker: str
    language: str
    samples: int
    power: float
    texts: Table
    times: Table
    links: str = ""

    def __str__(self) -> str:
        return self.item.utt_id


@dataclass(frozen=True)
class Corpus:
    """Usable utterances of one sampling rate, sorted by name; rate in Hz."""

    fs: int
    utterances: tuple[Utterance, ...]

    def save(self, path: Path) -> None:
        """Write for the workers."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, json_text(asdict(self)))

    @property
    def digest(self) -> str:
        """Of all of it."""
        return hashlib.sha256(json_text(asdict(self)).encode()).hexdigest()[:24]

    @property
    def text_files(self) -> list[str]:
        """Texts that every utterance has, and times that some have."""
        return sorted({name for utterance in self.utterances for name in (*utterance.texts, *utterance.times)})


@lru_cache(maxsize=1)
def load_corpus(path: Path, digest: str) -> Corpus:
    """What `save` wrote; the digest tells one content of the file from another."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Corpus(found["fs"], tuple(_utterance(values) for values in found["utterances"]))


def _utterance(values: dict) -> Utterance:
    item = values["item"]
    segment = item["segment"] and Segment(**item["segment"])
    return Utterance(**{**values, "item": AudioItem(**{**item, "segment": segment})})


def read_corpus(directory: Path, conf: SimulationConf, folder: Path, *, nj: int = 1) -> tuple[Corpus, list[Problem]]:
    """The usable utterances of a data directory (wav.scp, utt2spk, any text files), and what is wrong with the others.

    Args:
        folder: keeps what was heard, so that a second call need not listen again.

    Raises:
        DataError: a file is missing, nothing can be used, or sampling rates differ.
    """
    items, tables, times, problems = _listed(directory)
    shards = split(items, SHARD)
    surveys = run_shards(partial(survey_shard, folder, conf.utterance_s), shards, nj=nj, title="survey")
    heard = {key: values for found, _ in surveys for key, values in found.items()}
    problems += [problem for _, found in surveys for problem in found]
    utterances = []
    for item in items:
        try:
            if item.utt_id in heard:
                utterances.append(_described(item, heard[item.utt_id], tables, times))
        except BadItem as error:
            problems.append(Problem.of(item.utt_id, error))
    if not utterances:
        first = f" (first: {problems[0]})" if problems else ""
        raise DataError(f"{directory}: none of {len(problems)} utterances can be used{first}")
    return Corpus(_common_rate(directory, utterances, heard), tuple(utterances)), problems


def _listed(directory: Path) -> tuple[list[AudioItem], dict[str, Table], dict[str, Table], list[Problem]]:
    """Utterances that all files name, sorted; the files; times and links of words; what is wrong with others."""
    found = read_set(directory, None, None)
    names = [path.name for path in directory.iterdir() if path.name == "text" or path.name.startswith("text.")]
    tables, problems = checks.read_tables(directory, ["utt2spk", *names, *_there(directory, LANGUAGES)])
    times, lines = checks.read_tables(directory, _there(directory, TIMES, SPANS, LINKS))
    problems = [*found.problems, *problems, *lines]
    bad = {problem.utt_id for problem in problems}
    absent = checks.missing_items({"wav.scp": {item.utt_id: item for item in found.items}, **tables})
    problems += [problem for problem in absent if problem.utt_id not in bad]
    bad = {problem.utt_id for problem in problems}
    items = sorted((item for item in found.items if item.utt_id not in bad), key=lambda item: item.utt_id)
    return items, tables, times, problems


def _there(directory: Path, *names: str) -> list[str]:
    return [name for name in names if (directory / name).is_file()]


def _described(item: AudioItem, heard: Survey, tables: dict[str, Table], times: dict[str, Table]) -> Utterance:
    key = item.utt_id
    texts = {name: table[key] for name, table in sorted(tables.items()) if name.startswith("text")}
    for name, text in texts.items():
        checks.check_text(name, text, Limits())
    lines = {name: check_times(name, times[name].get(key, NO_VALUE)) for name in (TIMES, SPANS) if name in times}
    return Utterance(
        item=item,
        speaker=tables["utt2spk"][key],
        language=tables.get(LANGUAGES, {}).get(key, ""),
        samples=int(heard[1]),
        power=heard[2],
        texts=texts,
        times={name: line for name, line in lines.items() if line != NO_VALUE},
        links=times.get(LINKS, {}).get(key, ""),
    )


def _common_rate(directory: Path, utterances: Sequence[Utterance], heard: dict[str, Survey]) -> int:
    rates: dict[int, list[str]] = {}
    for utterance in utterances:
        rates.setdefault(int(heard[utterance.item.utt_id][0]), []).append(utterance.item.utt_id)
    if len(rates) > 1:
        counts = ", ".join(f"{fs} Hz ({len(keys)}, such as {keys[0]})" for fs, keys in sorted(rates.items()))
        raise DataError(f"{directory}: sampling rates differ: {counts}; resample the utterances to one rate")
    return next(iter(rates))


def survey_shard(
    folder: Path, utterance_s: Range, items: Sequence[AudioItem]
) -> tuple[dict[str, Survey], list[Problem]]:
    """Rate, samples and power of utterances, and what is wrong with those that are left out; kept in `folder`."""
    asked = repr([utterance_s, [(item, _state(item.path)) for item in items]])
    path = folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:24]}.json"
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {key: tuple(values) for key, values in kept[0].items()}, [Problem(**values) for values in kept[1]]
    heard: dict[str, Survey] = {}
    problems: list[Problem] = []
    for item in items:
        try:
            samples, fs = read_samples(item)
            seconds, (low, high) = len(samples) / fs, utterance_s
            if not low <= seconds <= high:
                reason = f"{seconds:.2f} s of audio, and utterance_s is {low:g} to {high:g} s"
                raise BadItem(
                    reason, "widen utterance_s or leave it out", "audio-short" if seconds < low else "audio-long"
                )
            heard[item.utt_id] = (fs, len(samples), active_power(samples, fs))
        except BadItem as error:
            problems.append(Problem.of(item.utt_id, error))
    folder.mkdir(parents=True, exist_ok=True)
    _replace(path, json_text([heard, [asdict(problem) for problem in problems]]))
    return heard, problems


def read_samples(item: AudioItem) -> tuple[np.ndarray, int]:
    """Samples of an utterance, one channel, float32 (N,), and their rate in Hz.

    Raises:
        BadItem: the audio cannot be used.
    """
    blocks: list[np.ndarray] = []
    heard = hear(item, fs=0, strict_fs=False, write=lambda found, _: blocks.extend(found))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32), heard.fs


def active_power(samples: np.ndarray, fs: int) -> float:
    """Mean square of the frames of 20 ms that are at most 30 dB below the loudest; samples (N,).

    Raises:
        BadItem: every sample is zero.
    """
    size = max(1, min(len(samples), round(ACTIVE_FRAME_S * fs)))
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    powers = np.square(frames).mean(axis=1)
    loudest = float(np.max(powers, initial=0.0))
    if loudest == 0:
        raise BadItem("every sample is zero", "check the recording", "audio-silent")
    return float(powers[powers >= loudest * 10 ** (-ACTIVE_DB / 10)].mean())


def check_times(name: str, line: str) -> str:
    """A line of word times, "-" where there are none.

    Raises:
        BadItem: they are no numbers, or run backwards.
    """
    words = line.split()
    ends = [word.partition(":")[2] for word in words] if name == SPANS and line != NO_VALUE else words
    checks.check_word_times(" ".join(ends) or NO_VALUE, len(ends))
    if name == SPANS and line != NO_VALUE:
        checks.check_word_times(" ".join(word.partition(":")[0] for word in words) or NO_VALUE, len(words))
    return " ".join(words) or NO_VALUE


def _state(path: str) -> tuple[int, int] | None:
    """What tells a file from what it was before."""
    try:
        state = Path(path).stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _replace(path: Path, text: str) -> None:
    partial_file = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    partial_file.write_text(text, encoding="utf-8")
    partial_file.replace(path)
