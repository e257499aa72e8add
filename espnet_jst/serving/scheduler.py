"""Streams of any age on one model: a batch of all that have a chunk, in one thread beside the event loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from espnet_jst.errors import DataError, JSTError, StepError
from espnet_jst.inference.audio.resample import MAX_FS, MIN_FS
from espnet_jst.inference.session import SampleQueue, Session, advance_together
from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.conf import INTERNAL, PACKETS, BusyError, RefusedError, ServeConf
from espnet_jst.serving.meters import Meters
from espnet_jst.serving.wire import Progress
from espnet_jst.text.words import Word

LOG = logging.getLogger("espnet_jst.serving")
HELD_S = 0.15  # of another sampling rate a resampler holds back at most so much
WHOLE_SESSION_S = 120.0  # where an encoder hears the whole session at its end, while everybody else waits


class Stream:
    """One session of a client, in the event loop; made by `Scheduler.open`.

    Attributes:
        number: of the sessions since the server began, from 1.
        name: of the log.
        live: whether somebody waits for each word; of a recording only the end matters.
        session: what the worker hears, from its first step on.
        ended: no audio follows.
        done: all words are there, or `failure` says why not.
        turn: rank of its last step among those of all streams.
    """

    def __init__(self, scheduler: Scheduler, number: int, kind: str, *, live: bool) -> None:
        self.number, self.name, self.live = number, f"{number} {kind}", live
        self.fs, self.tgt_lang = scheduler.model.speech2text.fs, scheduler.model.speech2text.tgt_lang
        self.session: Session | None = None
        self.ended = self.done = False
        self.turn = 0
        self.failure: RefusedError | None = None
        self._limit: RefusedError | None = None
        self.worst_lag_s = self.elapsed_s = 0.0
        self._scheduler = scheduler
        self._inbox = SampleQueue()
        self._packets = 0
        self._put = 0  # samples
        self._arrivals: deque[tuple[int, float]] = deque()
        self._chunks = 0
        self._changed, self._room = asyncio.Event(), asyncio.Event()

    @property
    def words(self) -> list[Word]:
        """All words so far; they only grow."""
        return self.session.words if self.session else []

    @property
    def result(self) -> list[Word]:
        """When it is done, all words, of a lane with two passes those of the second."""
        return self.session.result if self.session else []

    @property
    def chunks(self) -> tuple[tuple[float, float], ...]:
        """Of each chunk the seconds heard at its end, and those of computation."""
        return tuple((chunk["audio_s"], chunk["elapsed_s"]) for chunk in self.session.compute) if self.session else ()

    @property
    def duration_s(self) -> float:
        """Seconds of audio that came."""
        return self._put / self.fs

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that nothing has been computed of."""
        return self._inbox.samples / self.fs

    @property
    def progress(self) -> Progress:
        """How far it is."""
        chunks = self.session.compute if self.session else []
        return Progress(chunks[-1]["audio_s"] if chunks else 0.0, self.waiting_s, self.elapsed_s)

    def start(self, fs: int, tgt_lang: str | None) -> None:
        """Sampling rate in Hz and the model's language, before any sample.

        Raises:
            RefusedError: the rate is outside of what can be resampled.
        """
        if not MIN_FS <= fs <= MAX_FS:
            raise RefusedError(f"sampling rate {fs} Hz: {MIN_FS}-{MAX_FS} Hz can be used", kind="rate")
        self.fs, self.tgt_lang = fs, tgt_lang

    async def put(self, samples: np.ndarray) -> None:
        """Further samples, float32 (n,); waits while too many wait already. After the end nothing is taken.

        A session that gets too long ends here: its words are finished, and then it fails.
        """
        while not self.ended and (self.waiting_s >= self._scheduler.ahead_s or self._packets >= PACKETS):
            self._room.clear()
            await self._room.wait()
        if self.ended or not len(samples):
            return
        self._inbox.put(samples)
        self._packets += 1
        self._put += len(samples)
        self._arrivals.append((self._put, time.monotonic()))
        self._scheduler.wake()
        longest_s = self._scheduler.longest_s
        if self.duration_s > longest_s:
            reason = f"a session has at most {longest_s:g} s of audio: open another one"
            self._limit = RefusedError(reason, status=413, kind="length")
            self.end()

    def end(self) -> None:
        """No audio follows: the rest is computed."""
        if not self.ended:
            self.ended = True
            if not self._put:
                self.done = True
                self._changed.set()
            self._arrivals.append((self._put, time.monotonic()))
            self._room.set()
            self._scheduler.wake()

    async def changed(self) -> None:
        """Wait until something was computed, or all is done."""
        if not self.done:
            await self._changed.wait()
        self._changed.clear()

    def close(self) -> None:
        """Give the place back; what waits is dropped."""
        self._scheduler.close(self)

    def is_ready(self) -> bool:
        """Whether a step has something to do: a chunk, the end, or many small packets."""
        if self.done:
            return False
        enough = 0 < self._inbox.samples >= self._missing_s() * self.fs
        return self.ended or self._packets >= PACKETS or enough

    def take(self) -> tuple[np.ndarray, bool]:
        """Samples for one step, about a chunk of them, and whether they are the last ones."""
        held_s = 0.0 if self.fs == self._scheduler.model.speech2text.fs else HELD_S
        count = min(self._inbox.samples, max(1, math.ceil((self._missing_s() + held_s) * self.fs)))
        samples = self._inbox.take(count)
        self._packets = self._inbox.packets
        if self._packets < PACKETS and self.waiting_s < self._scheduler.ahead_s:
            self._room.set()
        return samples, self.ended and not self._inbox.samples

    def heard(self, last: bool, failure: RefusedError | None) -> None:
        """After a step: what it made is there."""
        now, meters = time.monotonic(), self._scheduler.meters
        computed = self.session.compute if self.session else []
        for chunk in computed[self._chunks :]:
            at = round(chunk["audio_s"] * self.fs)
            while len(self._arrivals) > 1 and self._arrivals[0][0] < at:
                self._arrivals.popleft()
            # The last chunk may be complete only because the end was said.
            lag_s = now - (self._arrivals[-1 if last else 0][1])
            self.worst_lag_s = max(self.worst_lag_s, lag_s)
            self.elapsed_s += chunk["elapsed_s"]
            meters.lag.add(lag_s)
            meters.chunks += 1
        self._chunks = len(computed)
        self.done = last or failure is not None
        if self.done:
            self.failure = failure or self._limit
            self.ended = True
            self._room.set()
        self._changed.set()

    def _missing_s(self) -> float:
        model = self._scheduler.model.speech2text
        return self.session.missing_s if self.session else model.schedule.samples(0) / model.fs


class Scheduler:
    """Runs the steps of all streams, one batch after the other, and keeps the number of streams in its limit.

    Args:
        model: the model.
        conf: limits.

    Attributes:
        draining: the server is to end: no stream is opened any more.
        broken: the steps have ended by a fault of the server's.
        ahead_s: seconds of audio of a stream that may wait, no less than a chunk needs.
        longest_s: seconds of audio that a stream may have.
        documents: held by whoever makes a document of a client's words, one at a time.
    """

    def __init__(self, model: ServedModel, conf: ServeConf) -> None:
        self.model, self.conf, self.meters = model, conf, Meters()
        schedule = model.speech2text.schedule
        self.ahead_s = max(conf.ahead_s, schedule.samples(1) / model.speech2text.fs + HELD_S)
        self.longest_s = min(conf.session_s, WHOLE_SESSION_S) if model.hears_whole else conf.session_s
        self.streams: list[Stream] = []
        self.draining = self.broken = False
        self.documents = asyncio.Lock()
        self._numbers, self._turns = itertools.count(1), itertools.count(1)
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()

    def open(self, kind: str, *, live: bool = True) -> Stream:
        """A place for a stream.

        Args:
            kind: protocol, for the log and the counts.
            live: whether somebody waits for each word.

        Raises:
            BusyError: all places are taken, or the server is about to end.
        """
        if self.broken:
            raise BusyError("an error inside of the server: it has to be started again", kind="internal")
        if self.draining:
            raise BusyError("the server is ending: try again later", kind="draining")
        if len(self.streams) >= self.conf.max_sessions:
            raise BusyError(f"all {self.conf.max_sessions} sessions are taken: try again later")
        self.meters.sessions[kind] += 1
        stream = Stream(self, next(self._numbers), kind, live=live)
        self.streams.append(stream)
        self._empty.clear()
        return stream

    def close(self, stream: Stream) -> None:
        """Free the place of a stream, and log what it was."""
        if stream not in self.streams:
            return
        finished = stream.done and stream.failure is None
        stream.ended = stream.done = True
        self.streams.remove(stream)
        factor = stream.elapsed_s / stream.duration_s if stream.duration_s else 0.0
        how = "finished" if finished else f"failed: {stream.failure}" if stream.failure else "broken off"
        LOG.info(
            "session %s: %.2f s of audio, %d words, worst lag %.3f s, real-time factor %.3f, %s",
            *(stream.name, stream.duration_s, len(stream.words), stream.worst_lag_s, factor, how),
        )
        if not self.streams:
            self._empty.set()

    def wake(self) -> None:
        """Something came that a step may need."""
        self._wake.set()

    async def drain(self) -> bool:
        """Let nobody in, finish what was begun; whether that was done in time."""
        self.draining = True
        for stream in self.streams:
            if stream.live:
                stream.end()
        if not self.streams:
            return True
        try:
            await asyncio.wait_for(self._empty.wait(), self.conf.grace_s)
        except TimeoutError:
            LOG.warning("%d sessions had not finished after %g s", len(self.streams), self.conf.grace_s)
            return False
        return True

    async def run(self) -> None:
        """Step for ever; to be run as a task."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="jst-steps") as worker:
            while True:
                await self._wake.wait()
                if any(not stream.is_ready() for stream in self.streams):
                    await asyncio.sleep(self.conf.gather_s)
                self._wake.clear()
                ready = sorted((stream for stream in self.streams if stream.is_ready()), key=lambda stream: stream.turn)
                ready = ready[: self.conf.max_batch]
                if not ready:
                    continue
                self._wake.set()  # what came meanwhile, and what is left of a long packet
                for stream in ready:
                    stream.turn = next(self._turns)
                taken = [stream.take() for stream in ready]
                started = time.monotonic()
                failures = await loop.run_in_executor(worker, self._step, ready, taken)
                self.meters.steps += 1
                self.meters.compute_s += time.monotonic() - started
                for stream, (samples, last), failure in zip(ready, taken, failures, strict=True):
                    self.meters.audio_s += len(samples) / stream.fs
                    stream.heard(last, failure)
                    if stream.failure and stream.live:  # of a recording the response counts it
                        self.meters.refusals[stream.failure.kind] += 1

    def _step(self, streams: Sequence[Stream], taken: Sequence[tuple[np.ndarray, bool]]) -> list[RefusedError | None]:
        """In the worker: one step of each stream; of those that fail, why. The others have gone on."""
        failures: dict[Stream, RefusedError] = {}
        heard: dict[Stream, Session] = {}
        for stream, (samples, last) in zip(streams, taken, strict=True):
            try:
                heard[stream] = self._session(stream, samples, last)
            except Exception as error:
                failures[stream] = _refusal(stream, error)
        going = list(heard)
        while going:
            try:
                advance_together(list(heard.values()))
                break
            except DataError as error:  # of one stream; of further ones the next call tells
                stream = going[error.index or 0]
                failures[stream] = _refusal(stream, error)
            except Exception as error:
                failures |= {stream: _refusal(stream, error) for stream in going}
                break
        return [failures.get(stream) for stream in streams]

    def _session(self, stream: Stream, samples: np.ndarray, last: bool) -> Session:
        """The session of a stream, which these samples wait in."""
        if stream.session is None:
            stream.session = self.model.speech2text.session(stream.fs, tgt_lang=stream.tgt_lang)
        stream.session.put(samples)
        if last:
            stream.session.end()
        return stream.session


def _refusal(stream: Stream, error: Exception) -> RefusedError:
    """What the client of a failed step is told; of a fault that is not in its audio the log has the traceback."""
    if isinstance(error, JSTError) and not isinstance(error, StepError):
        return RefusedError(str(error), kind="audio")
    fault = error.__cause__ or error
    LOG.error("session %s: a step failed", stream.name, exc_info=fault)
    said = f"an error inside of the server ({type(fault).__name__}) ends this session: open another one"
    return RefusedError(said, code=INTERNAL, status=500, kind="internal")
