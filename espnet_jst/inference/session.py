"""A stream of one speaker or file: samples in, words out, nothing ever changed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet_jst.compat import float32_by_default
from espnet_jst.data.signal import LOST, LOUD, Remark
from espnet_jst.errors import DataError, JSTError
from espnet_jst.inference.audio.recording import warn
from espnet_jst.inference.audio.resample import Resampler
from espnet_jst.inference.audio.samples import as_samples
from espnet_jst.inference.decoding import SearchHead, TimingHead, WordStream, check_finite, recombined
from espnet_jst.inference.schedule import ChunkSchedule
from espnet_jst.model import JSTModel
from espnet_jst.search.greedy import Emission
from espnet_jst.taps import Tap
from espnet_jst.text.words import Word


class SampleQueue:
    """Samples that wait for their chunk; taking costs what is taken, however much waits."""

    def __init__(self) -> None:
        self._packets: deque[np.ndarray] = deque()
        self.samples = 0

    def put(self, samples: np.ndarray) -> None:
        """Add samples, (n,)."""
        if len(samples):
            self._packets.append(samples)
            self.samples += len(samples)

    def take(self, count: int) -> np.ndarray:
        """The oldest `count` samples, which must be there, (count,)."""
        taken, left = [np.zeros(0, dtype=np.float32)], count
        while left:
            packet = self._packets.popleft()
            taken.append(packet[:left])
            if len(packet) > left:
                self._packets.appendleft(packet[left:])
            left -= len(taken[-1])
        self.samples -= count
        return np.concatenate(taken)


class Session:
    """Chunk by chunk decoding with a state; made by `Speech2Text.session`.

    Packets may have any size: samples wait until a chunk is complete, so the result, the times included, depends on
    the audio alone. With an infinite chunk every word comes from `finish`.

    Args:
        model: the model, in evaluation mode.
        schedule: when chunks are complete.
        heads: the heads that are searched, by name.
        timing: the CTC head for word times, or None.
        fs: sampling rate of the samples in Hz; 8,000 to 384,000, or the model's.

    Attributes:
        words: all words so far.
        compute: for each chunk, `audio_s` (seconds heard at its end) and `elapsed_s` (seconds of computation).
        tokens: for each searched head, its emissions so far.
        nbest: after `finish`, for each head searched with a beam, (score, emissions), best first.
    """

    @float32_by_default()
    def __init__(
        self,
        model: JSTModel,
        schedule: ChunkSchedule,
        heads: Mapping[str, SearchHead],
        timing: TimingHead | None,
        *,
        fs: int | None = None,
    ) -> None:
        self.fs = int(fs or model.fs)
        self.words: list[Word] = []
        self.compute: list[dict[str, float]] = []
        self.tokens: dict[str, list[Emission]] = {name: [] for name in heads}
        self.nbest: dict[str, list[tuple[float, list[Emission]]]] = {}
        self._model, self._schedule, self._heads, self._timing = model, schedule, heads, timing
        self._resampler = Resampler(self.fs, model.fs)
        self._stream = WordStream(heads, timing)
        self._state = model.init_state(1, schedule.context)
        self._searches: dict[str, Any] = {name: head.search.init_state(1) for name, head in heads.items()}
        self._waiting = SampleQueue()
        self._chunks = 0
        self._fed = 0
        self._finished = False
        self._peak, self._warned = 0.0, False

    @property
    def duration_s(self) -> float:
        """Seconds of audio that were pushed."""
        return (self._resampler.taken + self._resampler.pending) / self.fs

    def push(self, samples: Any) -> list[Word]:
        """Further samples, (n,), any n -> the words that they complete; a word is never changed afterwards.

        Raises:
            DataError: the samples are not usable (see `as_samples`); the session goes on without them.
            JSTError: the session is finished.
        """
        return self.feed(self._heard(as_samples(samples, allow_empty=True)))

    def feed(self, samples: np.ndarray) -> list[Word]:
        """As `push`, without its checks: for blocks of a Recording, float32 (n,)."""
        if self._finished:
            raise JSTError("the session is finished: open a new one with Speech2Text.session()")
        self._waiting.put(self._resampler.push(samples))
        return self._complete_chunks()

    def finish(self) -> list[Word]:
        """No samples follow -> the remaining words. A second call gives none."""
        if self._finished:
            return []
        self._waiting.put(self._resampler.finish())
        words = self._complete_chunks()
        self._finished = True
        if 0 < self._peak <= LOST:
            reason = f"no sample beyond {self._peak:.3g}, full scale is 1: 16-bit values in 32 bits?"
            warn("the stream", Remark(reason, "give them in the scale of their type", "audio-quiet"))
        if self._fed + self._waiting.samples:
            words += self._advance(self._waiting.samples, last=True)
        return words

    def _heard(self, samples: np.ndarray) -> np.ndarray:
        """The samples; a scale that is not [-1, 1] is said once."""
        self._peak = max(self._peak, float(np.abs(samples).max(initial=0.0)))
        if self._peak > LOUD and not self._warned:
            self._warned = True
            reason = f"samples up to {self._peak:.4g}, full scale is 1"
            warn("the stream", Remark(reason, "divide them by their largest value", "audio-loud"))
        return samples

    def _complete_chunks(self) -> list[Word]:
        words: list[Word] = []
        while self._schedule.chunk_frames and self._missing() <= self._waiting.samples:
            words += self._advance(self._missing(), last=False)
        return words

    def _missing(self) -> int:
        """Samples that the next chunk needs and the model has not got yet."""
        return self._schedule.samples(self._chunks) - self._fed

    @float32_by_default()
    @torch.inference_mode()
    def _advance(self, count: int, *, last: bool) -> list[Word]:
        started = time.perf_counter()
        device = next(self._model.parameters()).device
        speech = torch.from_numpy(self._waiting.take(count)[None]).to(device)
        taps, self._state = self._model.step(self._model.packet(speech), self._state, [last])
        try:
            check_finite(taps, self._heads)
        except DataError as error:
            self._finished = True
            raise DataError(f"{self._fed / self._model.fs:.2f} s: {error}; the session ends here") from error
        self._fed += count
        self._chunks += 1
        heard_s = self.duration_s if last else self._resampler.heard_samples(self._fed) / self.fs
        words = self._stream.push(self._search(taps, last), self._log_probs(taps), heard_s, last=last)
        self.words += words
        self.compute.append({"audio_s": round(heard_s, 4), "elapsed_s": round(time.perf_counter() - started, 6)})
        return words

    def _search(self, taps: Mapping[str, Tap], last: bool) -> dict[str, list[Emission]]:
        new = {}
        for name, head in self._heads.items():
            x, lengths, _ = taps[head.spec.reads]
            [emissions], self._searches[name] = head.search.step(x, lengths.to(x.device), self._searches[name])
            if last and hasattr(head.search, "finish"):
                nbest = recombined(head, head.search.finish(self._searches[name])[0])
                self.nbest[name] = [(hypothesis.score, hypothesis.emissions) for hypothesis in nbest]
                emissions = nbest[0].emissions[len(self.tokens[name]) :]
            self.tokens[name] += emissions
            new[name] = emissions
        return new

    def _log_probs(self, taps: Mapping[str, Tap]) -> Tensor | None:
        if self._timing is None:
            return None
        return self._timing.head.log_probs(taps[self._timing.spec.reads].x)[0]
