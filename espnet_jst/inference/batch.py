"""Whole utterances, several at once: the encoder runs over all of them under a chunk mask, the searches in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet_jst.inference.audio.resample import Resampler
from espnet_jst.inference.decoding import SearchHead, TimingHead, WordStream, check_finite, recombined
from espnet_jst.inference.schedule import ChunkSchedule
from espnet_jst.model import JSTModel
from espnet_jst.search.greedy import Emission
from espnet_jst.search.hypotheses import Hypothesis
from espnet_jst.taps import Tap
from espnet_jst.text.words import Word


@dataclass
class Decoded:
    """One utterance.

    Attributes:
        duration_s: seconds of audio.
        emissions: for each searched head, what it wrote.
        words: words of all lanes in the order in which they are shown.
        nbest: for each head searched with a beam, (score, emissions), best first.
    """

    duration_s: float
    emissions: dict[str, list[Emission]]
    words: list[Word] = field(default_factory=list)
    nbest: dict[str, list[tuple[float, list[Emission]]]] = field(default_factory=dict)


class Utterance:
    """Samples at the model's rate, and how much had been heard when each of its chunks was complete."""

    def __init__(self, samples: np.ndarray, fs: int, model_fs: int, schedule: ChunkSchedule) -> None:
        resampler = Resampler(fs, model_fs)
        self.samples = np.concatenate([resampler.push(samples), resampler.finish()])
        self.duration_s = len(samples) / fs
        complete = range(schedule.complete_chunks(len(self.samples)))
        self.heard_s = [resampler.heard_samples(schedule.samples(chunk)) / fs for chunk in complete]


@torch.inference_mode()
def decode_batch(
    model: JSTModel,
    schedule: ChunkSchedule,
    heads: Mapping[str, SearchHead],
    timing: TimingHead | None,
    utterances: Sequence[tuple[np.ndarray, int]],
) -> list[Decoded]:
    """Decode whole utterances; with a finite chunk, the words and times are those of a session.

    Args:
        model: the model, in evaluation mode.
        schedule: chunk and left context.
        heads: the heads that are searched, by name.
        timing: the CTC head for word times, or None.
        utterances: checked samples (n,) and their rate in Hz.

    Raises:
        DataError: an utterance cannot be decoded; `index` is its place.
    """
    heard = [Utterance(samples, fs, model.fs, schedule) for samples, fs in utterances]
    taps = model.encode(*_padded(heard, next(model.parameters()).device), schedule.context)
    check_finite(taps, heads)
    rows = [_Row(utterance, WordStream(heads, timing), Decoded(utterance.duration_s, {})) for utterance in heard]
    log_probs = None if timing is None else timing.head.log_probs(taps[timing.spec.reads].x)
    states: dict[str, Any] = {name: head.search.init_state(len(rows)) for name, head in heads.items()}

    def frames_of(b: int, chunk: int, *, last: bool) -> Tensor | None:
        if timing is None or log_probs is None:
            return None
        tap = taps[timing.spec.reads]
        first, end = _frames(schedule, timing.spec.reads, tap, chunk, last=last)
        return log_probs[b, first : min(end, int(tap.lengths[b]))]

    chunks = max(len(utterance.heard_s) for utterance in heard)
    for chunk in range(chunks + 1):
        for name, head in heads.items():
            tap = taps[head.spec.reads]
            first, end = _frames(schedule, head.spec.reads, tap, chunk, last=chunk == chunks)
            lengths = (tap.lengths - first).clamp(0, end - first)
            new, states[name] = head.search.step(tap.x[:, first:end], lengths, states[name])
            for row, emissions in zip(rows, new, strict=True):
                row.waiting.setdefault(name, []).extend(emissions)
        for b, row in enumerate(rows):
            if chunk < len(row.utterance.heard_s):
                row.push(frames_of(b, chunk, last=False), row.utterance.heard_s[chunk])
    for name, head in heads.items():
        if hasattr(head.search, "finish"):
            for row, nbest in zip(rows, head.search.finish(states[name]), strict=True):
                row.choose(name, head, nbest)
    for b, row in enumerate(rows):
        row.push(frames_of(b, len(row.utterance.heard_s), last=True), row.utterance.duration_s, last=True)
    return [row.result for row in rows]


@dataclass
class _Row:
    """One utterance of a batch: its words so far, and emissions that wait for the moment at which they are shown."""

    utterance: Utterance
    stream: WordStream
    result: Decoded
    waiting: dict[str, list[Emission]] = field(default_factory=dict)

    def push(self, log_probs: Tensor | None, heard_s: float, *, last: bool = False) -> None:
        self.result.words += self.stream.push(self.waiting, log_probs, heard_s, last=last)
        for name, emissions in self.waiting.items():
            self.result.emissions.setdefault(name, []).extend(emissions)
        self.waiting = {}

    def choose(self, name: str, head: SearchHead, nbest: Sequence[Hypothesis]) -> None:
        """What the best hypothesis has beyond what was shown waits for the end."""
        best = recombined(head, nbest)
        self.result.nbest[name] = [(hypothesis.score, hypothesis.emissions) for hypothesis in best]
        self.waiting[name] = best[0].emissions[len(self.result.emissions.get(name, ())) :]


def _padded(heard: Sequence[Utterance], device: torch.device) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(utterance.samples) for utterance in heard])
    speech = torch.zeros(len(heard), int(lengths.max()))
    for row, utterance in zip(speech, heard, strict=True):
        row[: len(utterance.samples)] = torch.from_numpy(utterance.samples)
    return speech.to(device), lengths.to(device)


def _frames(schedule: ChunkSchedule, name: str, tap: Tap, chunk: int, *, last: bool) -> tuple[int, int]:
    """First frame of a tap that a chunk completes, and the frame after its last; `last` takes all that remain."""
    first = schedule.frames(name, chunk - 1) if chunk else 0
    return first, max(first, tap.x.size(1) if last else schedule.frames(name, chunk))
