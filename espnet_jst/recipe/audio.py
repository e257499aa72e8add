"""Stage 3, format: every utterance becomes one readable mono file of the model's sampling rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
import soundfile

from espnet_jst.data.audio_file import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.utterances import AudioItem, read_audio

QUICK = (".wav", ".flac")  # others take several times as long to decode, and training decodes in every epoch
CHANGES = {"audio-stereo": "downmixed", "audio-rate": "resampled"}


@dataclass
class Formatted:
    """What a shard of utterances became: paths, samples, problems, and counts of what was changed."""

    wav: dict[str, str] = field(default_factory=dict)
    samples: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)

    def add(self, other: Formatted) -> None:
        """Take in the result of another shard."""
        self.wav |= other.wav
        self.samples |= other.samples
        self.problems += other.problems
        self.changed += other.changed


def format_shard(items: Sequence[AudioItem], *, out: Path, fs: int, strict_fs: bool, audio_format: str) -> Formatted:
    """Check and, where needed, rewrite utterances.

    Args:
        items: the utterances.
        out: folder for rewritten audio.
        fs: sampling rate of the model in Hz.
        strict_fs: another rate is a problem instead of a reason to resample.
        audio_format: "flac" or "wav", 16 bit.

    Returns:
        Paths and lengths of the good ones, problems of the others.
    """
    result = Formatted()
    for item in items:
        try:
            path, samples, changes = _format_one(item, out=out, fs=fs, strict_fs=strict_fs, audio_format=audio_format)
        except BadItem as bad:
            result.problems.append(Problem.of(item.utt_id, bad))
            continue
        result.wav[item.utt_id] = path
        result.samples[item.utt_id] = str(samples)
        result.changed.update(changes)
    return result


def _format_one(
    item: AudioItem, *, out: Path, fs: int, strict_fs: bool, audio_format: str
) -> tuple[str, int, list[str]]:
    samples, rate, remarks = read_audio(item, fs=fs, strict_fs=strict_fs)
    changes = [CHANGES[remark.kind] for remark in remarks if remark.kind in CHANGES]
    if item.segment is not None:
        changes.append("cut")
    if Path(item.path).suffix.lower() not in QUICK:
        changes.append("decoded")
    if not changes:
        return item.path, len(samples), changes
    mono = samples.mean(axis=1)
    if rate != fs:
        import soxr

        mono = soxr.resample(mono, rate, fs)
    path = out / f"{item.utt_id.replace('/', '_')}.{audio_format}"
    pcm = np.clip(np.round(mono * 32768), -32768, 32767).astype(np.int16)
    # Written under a name of its own: the shard of a worker that was lost is run again, perhaps before it ends.
    part = path.with_name(f"{path.stem}.{uuid4().hex[:8]}.{audio_format}")
    soundfile.write(part, pcm, fs, subtype="PCM_16")
    part.replace(path)
    return path.as_posix(), len(pcm), changes
