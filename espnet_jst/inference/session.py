"""A stream of one speaker or file: samples in, words out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from espnet_jst.compat import float32_by_default
from espnet_jst.data.resampling import no_samples
from espnet_jst.data.signal import LOST, LOUD, Remark
from espnet_jst.errors import DataError, JSTError, StepError
from espnet_jst.inference.audio.recording import warn
from espnet_jst.inference.audio.resample import Resampler
from espnet_jst.inference.audio.samples import as_samples
from espnet_jst.inference.decoder import Decoder, DecoderState
from espnet_jst.inference.remarks import item_error
from espnet_jst.inference.schedule import ChunkSchedule
from espnet_jst.inference.word_stream import Update
from espnet_jst.model import JSTModel, ModelState
from espnet_jst.search.interface import Emission, Hypothesis
from espnet_jst.streams import device_of
from espnet_jst.taps import Tap
from espnet_jst.text.lanes import in_order
from espnet_jst.text.words import Word


class SampleQueue:
    """Samples (n,), or of several channels (n, C), that wait for their chunk; taking costs what is taken, however much
    waits.
    """

    def __init__(self, channels: int = 1) -> None:
        self._none = no_samples(channels)
        self._packets: deque[np.ndarray] = deque()
        self.samples = 0

    @property
    def packets(self) -> int:
        """Packets that wait, some of them in part."""
        return len(self._packets)

    def put(self, samples: np.ndarray) -> None:
        """Add samples."""
        if len(samples):
            self._packets.append(samples)
            self.samples += len(samples)

    def take(self, count: int) -> np.ndarray:
        """The oldest `count` samples, which must be there."""
        taken, left = [self._none], count
        while left:
            packet = self._packets.popleft()
            taken.append(packet[:left])
            if len(packet) > left:
                self._packets.appendleft(packet[left:])
            left -= len(taken[-1])
        self.samples -= count
        return np.concatenate(taken)


class Chunk(NamedTuple):
    """Samples that a session hears at once, (n,) or (n, C), the seconds heard at their end, and whether nothing
    follows.
    """

    samples: np.ndarray
    heard_s: float
    last: bool


class Session:
    """Chunk by chunk decoding with a state; made by `Speech2Text.session`.

    Packets may have any size: samples wait until a chunk is complete, so the result, the times included, depends on
    the audio alone. With an infinite chunk every word comes from `finish`. Words never change, but where a second pass
    may revise them (`revise`): then those that may be withdrawn are not `final`.

    Args:
        model: the model, in evaluation mode.
        schedule: when chunks are complete.
        decoder: from taps to words.
        fs: sampling rate of the samples in Hz; 8,000 to 384,000, or the model's.
        tgt_lang: language to translate into, of a model that has several.

    Attributes:
        compute: for each chunk, `audio_s` (seconds heard at its end) and `elapsed_s` (seconds of computation).
        withdrawn: words shown before that the last `push` or `finish` has taken back.
    """

    @float32_by_default()
    def __init__(
        self,
        model: JSTModel,
        schedule: ChunkSchedule,
        decoder: Decoder,
        *,
        fs: int | None = None,
        tgt_lang: str | None = None,
    ) -> None:
        self.fs, self.tgt_lang = int(fs or model.fs), tgt_lang
        self.compute: list[dict[str, float]] = []
        self.withdrawn: list[Word] = []
        self.model, self.decoder, self._schedule = model, decoder, schedule
        self._resampler = Resampler(self.fs, model.fs, channels=model.channels)
        self._state: tuple[ModelState, DecoderState] = (
            model.init_state(1, schedule.context, [tgt_lang]),
            decoder.init_state(1, [tgt_lang]),
        )
        self._waiting = SampleQueue(model.channels)
        self._chunks = 0
        self._fed = 0
        self._ended = self._finished = False
        self._failure: DataError | None = None
        self._peak, self._warned = 0.0, False

    @property
    def duration_s(self) -> float:
        """Seconds of audio that were pushed."""
        return (self._resampler.taken + self._resampler.pending) / self.fs

    @property
    def missing_s(self) -> float:
        """Seconds of audio that the next chunk still needs; a resampler holds back a little more of them."""
        return max(0, self._schedule.samples(self._chunks) - self._fed - self._waiting.samples) / self.model.fs

    @property
    def lanes(self) -> list[str]:
        """Names of the lanes that the model writes, the transcript before its translation."""
        return in_order(lane.name for search in self.decoder.searches.values() for lane in search.lanes)

    @property
    def words(self) -> list[Word]:
        """All words so far that were shown and stand."""
        return self._state[1].words(0)

    @property
    def result(self) -> list[Word]:
        """After `finish`, all words, of a lane with two passes those of the second, whether they were shown or not."""
        return self._state[1].result(0)

    @property
    def tokens(self) -> dict[str, list[Emission]]:
        """For each search, its emissions so far."""
        return self._state[1].emissions(0)

    @property
    def nbest(self) -> dict[str, list[Hypothesis]]:
        """After `finish`, for each search its hypotheses, best first."""
        return self._state[1].nbest[0]

    def push(self, samples: object) -> list[Word]:
        """Further samples, (n,), any n, for a model of several channels (n, C) -> the words that they complete.

        Raises:
            DataError: the samples are not usable (see `as_samples`); the session goes on without them.
            JSTError: the session is finished.
        """
        heard = as_samples(samples, allow_empty=True, channels=self.model.channels)
        return self.feed(self._heard(heard.copy()))  # they may wait, and a caller's buffer is filled again

    def feed(self, samples: np.ndarray) -> list[Word]:
        """As `push`, without its checks: for blocks of a Recording, float32 (n,) or (n, C)."""
        self.put(samples)
        return self._advance()

    def finish(self) -> list[Word]:
        """No samples follow -> the remaining words. A second call gives none."""
        self.end()
        return self._advance()

    def put(self, samples: np.ndarray) -> None:
        """Samples, float32 (n,) or (n, C), that wait for `advance_together`."""
        if self._ended:
            raise JSTError("the session is finished: open a new one with Speech2Text.session()")
        self._waiting.put(self._resampler.push(samples))

    def end(self) -> None:
        """No samples follow: what waits is the last chunk."""
        if self._ended:
            return
        self._ended = True
        self._waiting.put(self._resampler.finish())
        if 0 < self._peak <= LOST:
            reason = f"no sample beyond {self._peak:.3g}, full scale is 1: 16-bit values in 32 bits?"
            warn("the stream", Remark(reason, "give them in the scale of their type", "audio-quiet"))

    def _next_chunk(self) -> Chunk | None:
        """The next chunk, taken out of the queue, if it is complete."""
        needed = self._schedule.samples(self._chunks) - self._fed
        if self._finished:
            return None
        if not (self._schedule.chunk_frames and needed <= self._waiting.samples):
            self._finished = self._ended
            if not self._ended or not self._fed + self._waiting.samples:
                return None
            needed = self._waiting.samples
        self._chunks += 1
        self._fed += needed
        heard_s = self.duration_s if self._finished else self._resampler.heard_samples(self._fed) / self.fs
        return Chunk(self._waiting.take(needed), heard_s, self._finished)

    def _hear(self, chunk: Chunk, state: tuple[ModelState, DecoderState], elapsed_s: float) -> None:
        self._state = state
        self.compute.append({"audio_s": round(chunk.heard_s, 4), "elapsed_s": round(elapsed_s, 6)})

    def _fail(self, chunk: Chunk, error: Exception) -> None:
        self._ended = self._finished = True
        begin_s = (self._fed - len(chunk.samples)) / self.model.fs
        kind = DataError if isinstance(error, DataError) else StepError
        self._failure = kind(f"{begin_s:.2f} s: {item_error(error)}; the session ends here")
        self._failure.__cause__ = error

    def _raise_failure(self, place: int) -> None:
        """Say once why the session has ended before its stream."""
        failure, self._failure = self._failure, None
        if failure is not None:
            failure.index = place
            raise failure

    def _heard(self, samples: np.ndarray) -> np.ndarray:
        """The samples; a scale that is not [-1, 1] is said once."""
        self._peak = max(self._peak, float(np.abs(samples).max(initial=0.0)))
        if self._peak > LOUD and not self._warned:
            self._warned = True
            reason = f"samples up to {self._peak:.4g}, full scale is 1"
            warn("the stream", Remark(reason, "divide them by their largest value", "audio-loud"))
        return samples

    def _advance(self) -> list[Word]:
        [update] = advance_together([self])
        return update.new


def advance_together(sessions: Sequence[Session]) -> list[Update]:
    """Sessions of one Speech2Text, of any age, hear all their complete chunks in one batch -> what each of them shows.

    Raises:
        JSTError: the sessions are of different models or settings, or one stands there twice.
        DataError: what a session hears cannot be decoded, and it ends; `index` is its place. The others have gone on;
            where several end, the next calls say it of the next ones.
        StepError: the same, by a fault that is not in the data.
    """
    settings = [(session.decoder, session._schedule) for session in sessions]
    if any(other != settings[0] for other in settings) or len({*sessions}) < len(sessions):
        raise JSTError("sessions of different models or settings, or one twice, cannot be heard together")
    updates = [Update([], []) for _ in sessions]
    chunks = {place: chunk for place, session in enumerate(sessions) if (chunk := session._next_chunk())}
    while chunks:
        outcomes = _hear_or_fail([sessions[place] for place in chunks], list(chunks.values()))
        for (place, chunk), outcome in zip(chunks.items(), outcomes, strict=True):
            if isinstance(outcome, Exception):
                sessions[place]._fail(chunk, outcome)
            else:
                updates[place] = updates[place].then(outcome)
        chunks = {place: chunk for place in chunks if (chunk := sessions[place]._next_chunk())}
    for session, update in zip(sessions, updates, strict=True):
        session.withdrawn = update.withdrawn
    for place, session in enumerate(sessions):
        session._raise_failure(place)
    return updates


def _hear_or_fail(sessions: Sequence[Session], chunks: Sequence[Chunk]) -> list[Update | Exception]:
    """One chunk of each session -> what it shows, or why it cannot go on."""
    try:
        return [*_hear(sessions, chunks)]
    except Exception as error:
        if len(sessions) == 1:
            return [error]
    # A step changes no state, so each can be heard alone from where it was: who fails then is the one.
    pairs = zip(sessions, chunks, strict=True)
    return [outcome for session, chunk in pairs for outcome in _hear_or_fail([session], [chunk])]


@float32_by_default()
@torch.inference_mode()
def _hear(sessions: Sequence[Session], chunks: Sequence[Chunk]) -> list[Update]:
    """One chunk of each session."""
    started = time.perf_counter()
    model, decoder = sessions[0].model, sessions[0].decoder
    lengths, last = [len(chunk.samples) for chunk in chunks], [chunk.last for chunk in chunks]
    samples = np.zeros((len(chunks), max(lengths), *chunks[0].samples.shape[1:]), dtype=np.float32)
    for padded, chunk in zip(samples, chunks, strict=True):
        padded[: len(chunk.samples)] = chunk.samples
    x = torch.from_numpy(samples).to(device_of(model))
    states = ModelState.concat([session._state[0] for session in sessions])
    taps, states = model.step(Tap(x, torch.tensor(lengths), 1 / model.fs), states, last)
    decoding = DecoderState.concat([session._state[1] for session in sessions])
    updates, decoding = decoder.advance(taps, [chunk.heard_s for chunk in chunks], decoding, last)
    elapsed_s = time.perf_counter() - started
    for row, (session, chunk) in enumerate(zip(sessions, chunks, strict=True)):
        own = torch.tensor([row])
        state = (states, decoding) if len(sessions) == 1 else (states.select(own), decoding.select(own))
        session._hear(chunk, state, elapsed_s)
    return updates
