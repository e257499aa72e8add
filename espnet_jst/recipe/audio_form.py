"""Stage 3, format: every utterance becomes one readable file of the model's sampling rate and channels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import soundfile

from espnet_jst.data.audio_file import AudioInfo
from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.checks import Problem
from espnet_jst.data.names import file_name
from espnet_jst.data.resampling import resampled
from espnet_jst.data.utterances import AudioItem, hear
from espnet_jst.errors import DataError

CHANGES = {
    "audio-stereo": "downmixed",
    "audio-rate": "resampled",
    "audio-header": "with a wrong header",
    "audio-loud": "scaled",
}
QUICK = (".wav", ".flac")  # others take several times as long to decode, and training decodes in every epoch


@dataclass
class Formatted:
    """What a shard of utterances became: paths, samples, their digests, problems, and counts of what was changed."""

    wav: dict[str, str] = field(default_factory=dict)
    samples: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)

    def add(self, other: Formatted) -> None:
        """Take in the result of another shard."""
        self.wav |= other.wav
        self.samples |= other.samples
        self.digests |= other.digests
        self.problems += other.problems
        self.changed += other.changed


def format_shard(
    items: Sequence[AudioItem], *, out: Path, fs: int, strict_fs: bool, audio_format: str, channels: int = 1
) -> Formatted:
    """Check and, where needed, rewrite utterances.

    Args:
        fs: sampling rate of the model in Hz.
        strict_fs: another rate is a problem instead of a reason to resample.
        audio_format: "flac" or "wav", 16 bit.
        channels: that the model takes: 1, the mean of those that are there; else as many must be there.

    Returns:
        Paths and lengths of the good ones, problems of the others.
    """
    result = Formatted()
    for item in items:
        path = out / f"{file_name(item.utt_id)}.{audio_format}"
        try:
            used, samples, digest, changes = _Rewriter(item, path, fs, strict_fs, channels).run()
        except BadItem as bad:
            result.problems.append(Problem.of(item.utt_id, bad))
            continue
        result.wav[item.utt_id] = used
        result.samples[item.utt_id] = str(samples)
        result.digests[item.utt_id] = digest
        result.changed.update(changes)
    return result


_digest = partial(hashlib.blake2b, digest_size=12)  # other samples have another


class _Rewriter:
    """One utterance, and the file `path` for it where it cannot stay as it is."""

    def __init__(self, item: AudioItem, path: Path, fs: int, strict_fs: bool, channels: int) -> None:
        self.item, self.path, self.fs, self.channels = item, path, fs, channels
        self.hear = partial(hear, item, fs=fs, strict_fs=strict_fs, channels=channels)
        # Under a name of its own: the shard of a worker that was lost is run again, perhaps before it ends.
        self.part = path.with_name(f"{path.stem}={uuid4().hex[:8]}{path.suffix}")
        self.made, self.digest = 0, _digest()

    def run(self) -> tuple[str, int, str, list[str]]:
        """Path, samples, their digest, and what was changed.

        Raises:
            BadItem: the utterance cannot be used.
        """
        try:
            heard = self.hear(write=self._if_needed)
            changes = [CHANGES[remark.kind] for remark in heard.remarks if remark.kind in CHANGES]
            if "scaled" in changes:
                self.hear(write=partial(self._write, gain=1 / heard.peak))
            if not self.made:
                return self.item.path, heard.samples, self.digest.hexdigest(), changes
            self.part.replace(self.path)
        finally:
            self.part.unlink(missing_ok=True)
        changes += ["cut"] * (self.item.segment is not None)
        changes = changes or ["decoded"]  # nothing else was to be done
        return self.path.as_posix(), self.made, self.digest.hexdigest(), changes

    def _if_needed(self, blocks: Iterator[np.ndarray], info: AudioInfo) -> None:
        right = info.plain and info.fs == self.fs and info.channels == self.channels and self.item.segment is None
        if right and self.item.path.lower().endswith(QUICK):
            for block in blocks:
                self.digest.update(np.ascontiguousarray(block).data)
        else:
            self._write(blocks, info)

    def _write(self, blocks: Iterator[np.ndarray], info: AudioInfo, *, gain: float = 1.0) -> None:
        self.made, self.digest = 0, _digest()
        with writing(self.part, self.fs, channels=self.channels) as file:
            for block in resampled(blocks, info.fs, self.fs, channels=self.channels):
                pcm = np.clip(np.round(block * (gain * 32768)), -32768, 32767).astype(np.int16)
                file.write(pcm)
                self.digest.update(np.ascontiguousarray(pcm).data)
                self.made += len(pcm)


@contextmanager
def writing(
    path: Path, fs: int, *, channels: int = 1, coding: str = "PCM_16", form: str | None = None
) -> Iterator[soundfile.SoundFile]:
    """An audio file to write.

    Raises:
        DataError: it cannot be written. That is no fault of the item, and the next one would fail in the same way.
    """
    try:
        with soundfile.SoundFile(path, "w", fs, channels, coding, format=form) as file:
            yield file
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"{path}: cannot be written ({error}); make room, or check the rights") from error
