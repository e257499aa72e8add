"""The utterances of a data directory, and everything that is checked of each. Stages 3-5 and `doctor` use the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_jst.data import audio_file, checks, kaldi
from espnet_jst.data.audio_file import AudioInfo, BadItem
from espnet_jst.data.checks import WARNING, Limits, Problem
from espnet_jst.data.kaldi import Segment
from espnet_jst.text.units import split_units

OPTIONAL = ("alignment", "word_times", "alignment.ref", "word_times.ref", "utt2spk")
LOUD = 1.5  # lossy codecs overshoot full scale by a little
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
    """An utterance: its id, its file, and the piece of the file where `segments` cuts it."""

    utt_id: str
    path: str
    segment: Segment | None = None

    def __str__(self) -> str:
        return self.utt_id


@dataclass(frozen=True)
class DataSet:
    """What a data directory holds.

    Attributes:
        items: the utterances that `wav.scp` (or `segments`) and both texts name.
        tables: texts and optional tables by file name.
        problems: why the other utterances are left out.
        lines: usable lines of each file that must name the same utterances.
    """

    items: list[AudioItem]
    tables: dict[str, dict[str, str]]
    problems: list[Problem]
    lines: dict[str, int]

    @property
    def optional(self) -> list[str]:
        """The optional tables that are there."""
        return [name for name in OPTIONAL if name in self.tables]


def read_set(directory: str | Path, src_text: str, tgt_text: str) -> DataSet:
    """Read the tables of a data directory; lines that cannot be used become problems.

    Raises:
        DataError: `wav.scp` or a text is missing.
    """
    directory = Path(directory)
    extras = [extra for extra in OPTIONAL if (directory / extra).exists()]
    tables, problems = checks.read_tables(directory, ["wav.scp", src_text, tgt_text, *extras])
    wav = tables.pop("wav.scp")
    owner = "segments" if (directory / "segments").exists() else "wav.scp"
    if owner == "segments":
        segments = kaldi.read_segments(directory / owner, on_bad=lambda *bad: problems.append(Problem(*bad)))
        items = _segmented(wav, segments, problems)
    else:
        items = [AudioItem(key, path) for key, path in wav.items()]
    needed: dict[str, dict] = {name: tables[name] for name in (src_text, tgt_text)}
    needed = {owner: {item.utt_id: item for item in items}, **needed}
    # A line that is there and cannot be used is not missing as well.
    bad = {problem.utt_id for problem in problems}
    problems += [problem for problem in checks.missing_items(needed) if problem.utt_id not in bad]
    bad = {problem.utt_id for problem in problems}
    lines = {name: len(table) for name, table in needed.items()}
    return DataSet([item for item in items if item.utt_id not in bad], tables, problems, lines)


def _segmented(wav: dict[str, str], segments: dict[str, Segment], problems: list[Problem]) -> list[AudioItem]:
    items = []
    for key, segment in segments.items():
        if segment.recording in wav:
            items.append(AudioItem(key, wav[segment.recording], segment))
        else:
            reason = f"its recording {segment.recording} is not in wav.scp"
            problems.append(Problem(key, reason, "add the recording or remove the utterance", "segment-no-recording"))
    return items


def read_audio(
    item: AudioItem, *, fs: int, strict_fs: bool, limits: Limits | None = None
) -> tuple[np.ndarray, int, list[Problem]]:
    """Read the samples of an utterance.

    Args:
        item: the utterance.
        fs: sampling rate of the model in Hz.
        strict_fs: another rate is refused.
        limits: refuse audio outside of these before its samples are read.

    Returns:
        samples: float32 (N, C).
        rate: their sampling rate in Hz.
        remarks: what is changed or suspicious.

    Raises:
        BadItem: the audio cannot be used.
    """
    if item.path.endswith("|"):
        reason = f"wav.scp holds the command {item.path!r}"
        raise BadItem(reason, "run it once and name the audio file that it makes", "audio-command")
    segment = item.segment or Segment("", 0.0, -1.0)
    piece = audio_file.locate(item.path, start_s=segment.start_s, end_s=segment.end_s)
    if limits is not None:
        checks.check_duration(piece.samples, piece.info.fs, limits)
    if piece.info.fs != fs and strict_fs:
        reason = f"{item.path}: {piece.info.fs} Hz instead of {fs} Hz"
        raise BadItem(reason, "resample it, or leave --strict_fs off", "audio-rate")
    samples = audio_file.read_piece(piece)
    return samples, piece.info.fs, _remarks(item, piece.info, samples, fs)


def _remarks(item: AudioItem, info: AudioInfo, samples: np.ndarray, fs: int) -> list[Problem]:
    """What is changed in usable audio, or makes one doubt it."""
    found = []

    def remark(kind: str, reason: str, fix: str) -> None:
        found.append(Problem(item.utt_id, f"{item.path}: {reason}", fix, kind, WARNING))

    if info.fs != fs:
        remark("audio-rate", f"{info.fs} Hz is resampled to {fs} Hz", "give --fs if the model shall have this rate")
    if info.channels > 1:
        remark("audio-stereo", f"{info.channels} channels are mixed down", "take one channel if speakers differ by it")
    if info.coding in _DEPTHS:
        remark(
            "audio-depth", f"{_DEPTHS[info.coding]} samples instead of 16", "convert to 16 bit to save space and time"
        )
    forms = _SUFFIXES.get(Path(item.path).suffix.lower(), (info.form,))
    if info.form not in forms:
        remark("audio-mislabelled", f"the name is wrong, the file is {info.form}", "rename it, or convert it")
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0:
        remark("audio-silent", "every sample is zero", "check the recording")
    elif peak > LOUD:
        remark("audio-loud", f"samples up to {peak:.4g}, full scale is 1", "divide them by their largest value")
    return found


def check_utterance(key: str, tables: Tables, texts: tuple[str, str], *, samples: int, fs: int, limits: Limits) -> None:
    """All checks of one utterance that need neither its samples nor a token list.

    Args:
        key: the utterance.
        tables: texts and, where they exist, "alignment" and "word_times".
        texts: file names of transcript and translation.
        samples: length of its audio at `fs` Hz.

    Raises:
        BadItem: the first that fails.
    """
    source, target = (tables[name][key] for name in texts)
    checks.check_duration(samples, fs, limits)
    checks.check_text(texts[0], source, limits)
    checks.check_text(texts[1], target, limits)
    checks.check_fit(texts[0], source.split(), samples, fs, limits)  # pieces may hold several characters
    words, others = (len(split_units(text)) for text in (source, target))
    if "alignment" in tables:
        checks.check_alignment(tables["alignment"].get(key, "-"), words, others)
    if "word_times" in tables:
        checks.check_word_times(tables["word_times"].get(key, "-"), words)
