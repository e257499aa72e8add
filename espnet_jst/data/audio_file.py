"""Audio files: what they hold by their bytes, block by block, or an error that says what is wrong.

Headers are not believed: no memory is taken for what they promise, wrong sizes are put right where all of the audio is
there (`containers`), and whatever a decoder raises is an error of that file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import soundfile

from espnet_jst.data.audio_source import Source, blame, file_state, opened, what_it_is
from espnet_jst.data.bad_item import AGAIN, BadItem
from espnet_jst.data.containers import find_layout, sizes
from espnet_jst.data.containers.splice import BUFFER, Layout, Splice
from espnet_jst.data.signal import Mixer, check_numbers
from espnet_jst.data.sound_decoder import SoundDecoder

UNKNOWN = 1 << 60  # samples: more than any file holds, what libsndfile says where the header does not count
BLOCK = 1 << 18  # values (samples times channels) read at once
MIN_FS, MAX_FS = 1000, 1_000_000  # Hz; beyond, the header is damaged


@dataclass(frozen=True)
class AudioInfo:
    """Header of an audio file; rates in Hz.

    Attributes:
        samples: samples a channel; None where only decoding tells.
        form: container as libsndfile names it ("WAV").
        coding: coding as libsndfile names it ("PCM_24").
        notes: what the header says wrongly although the audio is all there.
        plain: other programs that use libsndfile read the same; False where something had to be put right.
    """

    fs: int
    channels: int
    samples: int | None
    form: str
    coding: str
    notes: tuple[str, ...] = ()
    plain: bool = True


_known: dict[tuple[int, ...], tuple[AudioInfo, Layout]] = {}  # the last file: one recording may have many segments


class AudioFile:
    """An audio file, to be used in a `with` statement.

    Args:
        source: path, bytes or binary file object; a file object is read from its start and not closed.
        name: what messages call it; a path by default.

    Raises:
        BadItem: missing, empty, header only, cut short, damaged, or a format that libsndfile does not know.
    """

    def __init__(self, source: Source, *, name: str = "") -> None:
        self.name = name or (str(source) if isinstance(source, str | os.PathLike) else "the recording")
        with ExitStack() as stack:
            with blame(self.name, "cannot be read", "audio-unreadable"):
                self._stream, self._native = opened(source)
            if self._stream is not source:
                stack.callback(self._stream.close)
            with blame(self.name, "not readable as audio", "audio-unreadable"):
                self.info, self._layout = self._examined()
            self.close = stack.pop_all().close

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def range(self, start_s: float, end_s: float = -1.0) -> tuple[int, int | None]:
        """First sample and the one after the last of a piece between two times; None for the end of the file.

        Raises:
            BadItem: the piece lies outside the file.
        """
        fs, samples = self.info.fs, self.info.samples
        start, stop = round(start_s * fs), None if end_s == -1 else round(end_s * fs)
        if samples is None:
            return start, stop
        self._check_range(start, stop, samples)
        return start, samples if stop is None else min(stop, samples)

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """The samples from `start` to `stop` (None: to the end) in blocks, float32 (n, C).

        Raises:
            BadItem: damaged data, fewer samples than the header says, NaN, infinite or absurd samples; a piece that
                lies outside the file.
        """
        for block in self._counted(start, stop):
            check_numbers(block, self.name)
            yield block

    def signal(
        self, start: int = 0, stop: int | None = None, *, mixer: Mixer | None = None, channel: int | None = None
    ) -> Iterator[np.ndarray]:
        """What a model takes, in blocks, float32: the mean of the channels, or one of them, (n,), or where `mixer` says
        so all of them, (n, C); it keeps account of the levels.

        Args:
            channel: from 0. A file of one channel is that channel already, as what a command of a `wav.scp` cuts out.

        Raises:
            BadItem: as `blocks`; there is no such channel.
        """
        mixer, count = mixer or Mixer(self.name), self.info.channels
        if channel is not None and 1 < count <= channel:
            reason = f"{self.name}: no channel {channel + 1} in a file of {count}"
            raise BadItem(reason, "correct its line in reco2file_and_channel", "audio-channel")
        for block in self._counted(start, stop):
            yield mixer.mix(block if channel is None or count == 1 else block[:, channel : channel + 1])

    def _counted(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """As `blocks`, of whatever numbers there are."""
        done = 0
        for block in self._decoded(start, stop):
            done += len(block)
            yield block
        promised = self.info.samples if stop is None else stop
        if promised is not None and done < promised - start and self.info.samples is not None:
            reason = f"{self.name}: {done} of {promised - start} samples can be decoded"
            raise BadItem(reason, AGAIN, "audio-truncated")
        if self.info.samples is None:
            self._check_range(start, stop, start + done)

    def _check_range(self, start: int, stop: int | None, samples: int) -> None:
        # Half a second of slack: times rounded by other programs often end just after the file.
        if start >= samples or (stop is not None and stop > samples + self.info.fs // 2):
            times = "-".join("the end" if at is None else f"{at / self.info.fs:.2f}" for at in (start, stop))
            raise BadItem(
                f"{self.name}: the segment {times} s lies outside the file ({samples / self.info.fs:.2f} s)",
                "correct its line in segments",
                "segment-outside",
            )

    def _examined(self) -> tuple[AudioInfo, Layout]:
        if not self._native:
            return self._examine()
        state = file_state(self._stream)
        found = _known.get(state)
        if found is None:
            found = self._examine()
            _known.clear()
            _known[state] = found
        return found

    def _examine(self) -> tuple[AudioInfo, Layout]:
        size = self._stream.seek(0, os.SEEK_END)
        if size == 0:
            raise BadItem("the file is empty (0 bytes)", AGAIN, "audio-empty")
        layout = find_layout(self._stream, size)
        fs, channels, form, coding, samples = 0, 0, "", "", 0
        try:
            for decoder in self._decoders(layout):
                if fs and (fs, channels) != (decoder.samplerate, decoder.channels):
                    reason = f"joined from parts of {fs} Hz, {channels} channels and {decoder.samplerate} Hz, "
                    raise BadItem(f"{reason}{decoder.channels} channels", "convert them apart", "audio-joined")
                fs, channels, form, coding = decoder.samplerate, decoder.channels, decoder.format, decoder.subtype
                samples += decoder.frames
        except soundfile.LibsndfileError as error:
            raise RuntimeError(what_it_is(self._stream) or error.error_string) from None
        if samples <= 0:
            raise sizes.empty()
        if not layout.known:
            reason = f"{form}: nothing in a file of this format is known here that tells whether all of it is there"
            raise BadItem(reason, "convert it to WAV or FLAC", "audio-unchecked")
        if samples < layout.least:
            reason = f"libsndfile finds {samples} of at least {layout.least} samples"
            raise BadItem(reason, "convert it to WAV or FLAC", "audio-damaged")
        if not MIN_FS <= fs <= MAX_FS:
            raise BadItem(f"a sampling rate of {fs} Hz", "correct its header", "audio-unreadable")
        known = samples if samples < UNKNOWN else None
        return AudioInfo(fs, channels, known, form, coding, layout.notes, not layout.parts), layout

    def _decoders(self, layout: Layout) -> Iterator[SoundDecoder]:
        """A decoder for each part, open until the next one is asked for."""
        if self._native and not layout.parts:
            number = self._stream.fileno()
            os.lseek(number, 0, os.SEEK_SET)
            with SoundDecoder(number, closefd=False) as decoder:
                yield decoder
            return
        for pieces in layout.parts or (((0, self._stream.seek(0, os.SEEK_END)),),):
            splice = Splice(self._stream, pieces)
            with splice.errors():
                decoder = SoundDecoder(io.BufferedReader(splice, BUFFER))
            with decoder:
                decoder.splice = splice
                yield decoder

    def _decoded(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """As `_counted`, however few there are."""
        size = max(1, BLOCK // self.info.channels)
        skip, left = start, UNKNOWN if stop is None else stop - start
        with blame(self.name, "damaged audio data", "audio-damaged"):
            for decoder in self._decoders(self._layout):
                if skip >= decoder.frames:
                    skip -= decoder.frames
                    continue
                here = decoder.frames
                if skip and here < UNKNOWN:
                    sought = decoder.seek_before(skip)
                    here, skip = here - sought, skip - sought
                while left and here and len(block := decoder.take(min(size, here, skip + left))):
                    here -= len(block)
                    skip, block = max(0, skip - len(block)), block[skip:]
                    left -= len(block)
                    yield block


def inspect(source: Source) -> AudioInfo:
    """Read the header, without the samples.

    Raises:
        BadItem: missing, empty, header only, cut short, or a format that libsndfile does not know.
    """
    with AudioFile(source) as audio:
        return audio.info


def read(source: Source) -> tuple[np.ndarray, int]:
    """All samples, float32 (N, C), and their rate in Hz.

    Raises:
        BadItem: as `AudioFile` and its `blocks`.
    """
    with AudioFile(source) as audio:
        return np.concatenate(list(audio.blocks())), audio.info.fs
