"""The utterances of a data directory, and everything that is checked of each. Stages 3-5 and `doctor` use the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from espnet_jst.data import checks, kaldi
from espnet_jst.data.audio_file import AudioFile, AudioInfo
from espnet_jst.data.audio_source import blame
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import WARNING, Limits, Problem
from espnet_jst.data.kaldi import Segment
from espnet_jst.data.mending import mend_tables
from espnet_jst.data.signal import Mixer, Remark, check_channels
from espnet_jst.data.texts import Texts
from espnet_jst.text.units import split_units

CHANNELS = "reco2file_and_channel"  # of recordings of several channels, the one that is meant
TGT_LANGS = "utt2tgt_lang"  # the language that each utterance is translated into
SRC_LANGS = "utt2lang"  # and Kaldi's table of the one that is spoken
OPTIONAL = ("alignment", "word_times", "alignment.ref", "word_times.ref", TGT_LANGS, SRC_LANGS, "utt2spk")
Tables = Mapping[str, Mapping[str, str]]

_SUFFIXES = {
    ".wav": ("WAV", "WAVEX", "RF64"),
    ".flac": ("FLAC",),
    ".mp3": ("MP3",),
    ".ogg": ("OGG",),
    ".opus": ("OGG",),
}
_DEPTHS = {"PCM_S8": "8 bit", "PCM_U8": "8 bit", "PCM_24": "24 bit", "PCM_32": "32 bit"}
_DEPTHS |= {"FLOAT": "32-bit float", "DOUBLE": "64-bit float"}


@dataclass(frozen=True)
class AudioItem:
    """An utterance: its id, its file, the piece of the file where `segments` cuts it, and the channel if it is one."""

    utt_id: str
    path: str
    segment: Segment | None = None
    channel: int | None = None

    def __str__(self) -> str:
        return self.utt_id


@dataclass(frozen=True)
class DataSet:
    """What a data directory holds.

    Attributes:
        items: the utterances that `wav.scp` (or `segments`) and the texts name.
        lines: usable lines of each file that must name the same utterances.
        remarks: texts, links and times that were mended (`mending`).
    """

    items: list[AudioItem]
    tables: dict[str, dict[str, str]]
    problems: list[Problem]
    lines: dict[str, int]
    remarks: list[Problem] = field(default_factory=list)

    @property
    def optional(self) -> list[str]:
        """The optional tables that are there."""
        return [name for name in OPTIONAL if name in self.tables]


def read_set(directory: str | Path, src_text: str | None, tgt_text: str | None) -> DataSet:
    """Read the tables of a data directory and mend its texts; lines that cannot be used become problems.

    Args:
        src_text: file name of the transcript, None where the corpus has none.

    Raises:
        DataError: `wav.scp` or a text is missing.
    """
    directory = Path(directory)
    texts = Texts(src_text, tgt_text)
    extras = [extra for extra in optional_tables(texts) if (directory / extra).exists()]
    tables, problems = checks.read_tables(directory, ["wav.scp", *texts.names, *extras])
    remarks, errors = mend_tables(directory, tables, texts)
    problems += errors
    wav = tables.pop("wav.scp")
    owner = "segments" if (directory / "segments").exists() else "wav.scp"
    channels: dict[str, int] = {}
    if (directory / CHANNELS).exists():
        unclear: list[Problem] = []
        channels = kaldi.read_channels(directory / CHANNELS, on_bad=lambda *bad: unclear.append(Problem(*bad)))
        for problem in unclear:  # not mixed down: the other speaker is in it
            wav.pop(problem.utt_id, None)
        problems += unclear
    if owner == "segments":
        segments = kaldi.read_segments(directory / owner, on_bad=lambda *bad: problems.append(Problem(*bad)))
        items = _segmented(wav, segments, channels, problems)
    else:
        items = [AudioItem(key, path, channel=channels.get(key)) for key, path in wav.items()]
    needed: dict[str, dict] = {name: tables[name] for name in texts.names}
    needed = {owner: {item.utt_id: item for item in items}, **needed}
    # A line that is there and cannot be used is not missing as well.
    bad = {problem.utt_id for problem in problems}
    problems += [problem for problem in checks.missing_items(needed) if problem.utt_id not in bad]
    bad = {problem.utt_id for problem in problems}
    lines = {name: len(table) for name, table in needed.items()}
    return DataSet([item for item in items if item.utt_id not in bad], tables, problems, lines, remarks)


def optional_tables(texts: Texts) -> list[str]:
    """The optional tables that say something where these texts are there: links need both, times the transcript."""
    absent: tuple[str, ...] = () if texts.both else ("alignment", "alignment.ref")
    absent += () if texts.transcript else ("word_times", "word_times.ref")
    return [name for name in OPTIONAL if name not in absent]


def _segmented(
    wav: dict[str, str], segments: dict[str, Segment], channels: dict[str, int], problems: list[Problem]
) -> list[AudioItem]:
    items = []
    for key, segment in segments.items():
        if segment.recording in wav:
            items.append(AudioItem(key, wav[segment.recording], segment, channels.get(segment.recording)))
        else:
            reason = f"its recording {segment.recording} is not in wav.scp, or has no clear channel"
            problems.append(Problem(key, reason, "add the recording or remove the utterance", "segment-no-recording"))
    return items


@dataclass(frozen=True)
class Heard:
    """What the samples of an utterance are.

    Attributes:
        fs: their rate in Hz.
        peak: the largest after mixing down.
        remarks: what is changed or doubtful.
    """

    samples: int
    fs: int
    peak: float
    remarks: list[Problem]


def hear(
    item: AudioItem,
    *,
    fs: int,
    strict_fs: bool,
    channels: int = 1,
    limits: Limits | None = None,
    write: Callable[[Iterator[np.ndarray], AudioInfo], None] | None = None,
) -> Heard:
    """Read every sample of an utterance, a block at a time.

    Args:
        fs: sampling rate of the model in Hz.
        strict_fs: another rate is refused.
        channels: that the model takes: 1, the mean of those that are there; else as many must be there.
        limits: refuse audio outside of these, before its samples are read where the header tells.
        write: receives the blocks, float32 (n,), or (n, C), and takes all of them; by default they are only checked.
            An error of its own must be a `JSTError`: any other counts as the item's.

    Raises:
        BadItem: the audio cannot be used.
    """
    segment = item.segment or Segment("", 0.0, -1.0)
    with blame(item.path, "cannot be used", "audio-unreadable"), AudioFile(item.path) as audio:
        info, mixer = audio.info, Mixer(item.path, channels)
        start, stop = audio.range(segment.start_s, segment.end_s)
        if limits is not None and stop is not None:
            checks.check_duration(stop - start, info.fs, limits)
        if info.fs != fs and strict_fs:
            reason = f"{item.path}: {info.fs} Hz instead of {fs} Hz"
            raise BadItem(reason, "resample it, or leave --strict_fs off", "audio-rate")
        if channels > 1 and item.channel is not None:
            reason = f"{item.path}: {CHANNELS} names one channel, and the model takes {channels}"
            raise BadItem(reason, "remove its line, or use a model of one channel", "audio-channels")
        check_channels(item.path, info.channels, channels)
        blocks = audio.signal(start, stop, mixer=mixer, channel=item.channel)
        if limits is not None:
            blocks = _bounded(blocks, mixer, info.fs, limits)
        if write is None:
            deque(blocks, maxlen=0)
        else:
            write(blocks, info)
    remarks = [*_header_remarks(item, info, fs, mixed=channels == 1), *mixer.remarks(info.coding)]
    problems = [Problem(item.utt_id, f"{item.path}: {reason}", fix, kind, WARNING) for reason, fix, kind in remarks]
    return Heard(mixer.samples, info.fs, mixer.peak, problems)


def _bounded(blocks: Iterator[np.ndarray], mixer: Mixer, fs: int, limits: Limits) -> Iterator[np.ndarray]:
    """The blocks, until there are too many: a header may not know the length."""
    for block in blocks:
        if mixer.samples > limits.max_s * fs:
            checks.check_duration(mixer.samples, fs, limits)
        yield block
    checks.check_duration(mixer.samples, fs, limits)


def _header_remarks(item: AudioItem, info: AudioInfo, fs: int, *, mixed: bool) -> list[Remark]:
    """What is changed in usable audio, or makes one doubt it, by its header."""
    found = []
    if info.fs != fs:
        reason = f"{info.fs} Hz is resampled to {fs} Hz"
        found.append(Remark(reason, "give --fs if the model shall have this rate", "audio-rate"))
    if mixed and info.channels > 1 and item.channel is None:
        reason = f"{info.channels} channels are mixed down"
        fix = "name one in reco2file_and_channel if speakers differ by it"
        found.append(Remark(reason, fix, "audio-stereo"))
    if info.coding in _DEPTHS:
        reason = f"{_DEPTHS[info.coding]} samples instead of 16"
        found.append(Remark(reason, "convert to 16 bit to save space and time", "audio-depth"))
    if info.form not in _SUFFIXES.get(Path(item.path).suffix.lower(), (info.form,)):
        reason = f"the name is wrong, the file is {info.form}"
        found.append(Remark(reason, "rename it, or convert it", "audio-mislabelled"))
    found += [Remark(note, "write the file again if that is wrong", "audio-header") for note in info.notes]
    return found


def check_utterance(key: str, tables: Tables, texts: Texts, *, samples: int, fs: int, limits: Limits) -> None:
    """All checks of one utterance that need neither its samples nor a token list.

    Args:
        tables: texts and, where they exist, "alignment" and "word_times".
        samples: length of its audio at `fs` Hz.

    Raises:
        BadItem: the first that fails.
    """
    checks.check_duration(samples, fs, limits)
    for name in texts.names:
        checks.check_text(name, tables[name][key], limits)
    if texts.transcript is None:
        return
    source = tables[texts.transcript][key]
    checks.check_fit(texts.transcript, source.split(), samples, fs, limits)  # pieces may hold several characters
    words = len(split_units(source))
    if "alignment" in tables and texts.translation is not None:
        others = len(split_units(tables[texts.translation][key]))
        checks.check_alignment(tables["alignment"].get(key, "-"), words, others)
    if "word_times" in tables:
        checks.check_word_times(tables["word_times"].get(key, "-"), words)
