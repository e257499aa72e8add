"""Whole utterances, several at once: the encoder runs over all of them under a chunk mask, the searches in step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from espnet_jst.inference.audio.resample import Resampler
from espnet_jst.inference.decoder import Decoder
from espnet_jst.inference.schedule import ChunkSchedule
from espnet_jst.model import JSTModel
from espnet_jst.search.interface import Hypothesis
from espnet_jst.taps import Tap
from espnet_jst.text.words import Word


@dataclass(frozen=True)
class Decoded:
    """One utterance.

    Attributes:
        duration_s: seconds of audio.
        words: words of all lanes in the order in which they are shown.
        nbest: for each search its hypotheses, best first.
    """

    duration_s: float
    words: list[Word]
    nbest: dict[str, list[Hypothesis]]


class Utterance:
    """Samples at the model's rate, and how much had been heard when each of its chunks was complete."""

    def __init__(self, samples: np.ndarray, fs: int, model_fs: int, schedule: ChunkSchedule) -> None:
        resampler = Resampler(fs, model_fs)
        self.samples = np.concatenate([resampler.push(samples), resampler.finish()])
        self.duration_s = len(samples) / fs
        complete = range(schedule.complete_chunks(len(self.samples)))
        self.heard_s = [resampler.heard_samples(schedule.samples(chunk)) / fs for chunk in complete]


class Encoded(NamedTuple):
    """Utterances of a batch, and their taps as wholes."""

    heard: list[Utterance]
    taps: dict[str, Tap]


def decode_batch(
    model: JSTModel, schedule: ChunkSchedule, decoder: Decoder, utterances: Sequence[tuple[np.ndarray, int]]
) -> list[Decoded]:
    """Decode whole utterances; with a finite chunk, the words and times are those of a session.

    Args:
        model: the model, in evaluation mode.
        schedule: chunk and left context.
        decoder: from taps to words.
        utterances: checked samples (n,) and their rate in Hz.

    Raises:
        DataError: an utterance cannot be decoded; `index` is its place.
    """
    return decode_encoded(schedule, decoder, encode_batch(model, schedule, decoder.reads, utterances))


@torch.inference_mode()
def encode_batch(
    model: JSTModel, schedule: ChunkSchedule, reads: Collection[str], utterances: Sequence[tuple[np.ndarray, int]]
) -> Encoded:
    """The taps `reads` of whole utterances; arguments as `decode_batch`."""
    heard = [Utterance(samples, fs, model.fs, schedule) for samples, fs in utterances]
    encoded = model.encode(*_padded(heard, next(model.parameters()).device), schedule.context)
    return Encoded(heard, {name: encoded[name]._replace(lengths=encoded[name].lengths.cpu()) for name in reads})


@torch.inference_mode()
def decode_encoded(schedule: ChunkSchedule, decoder: Decoder, encoded: Encoded) -> list[Decoded]:
    """Decode a batch that has been encoded with this schedule.

    Raises:
        DataError: as `decode_batch`.
    """
    heard, taps = encoded
    state = decoder.init_state(len(heard))
    begin = dict.fromkeys(taps, 0)
    for chunk in range(1 + max(len(utterance.heard_s) for utterance in heard)):
        last = [len(utterance.heard_s) == chunk for utterance in heard]
        moves = torch.tensor([len(utterance.heard_s) >= chunk for utterance in heard])
        end = {name: max(begin[name], schedule.frames(name, chunk)) if schedule.chunk_frames else 0 for name in taps}
        pieces = {name: _piece(tap, begin[name], end[name], moves, torch.tensor(last)) for name, tap in taps.items()}
        times_s = [
            (*utterance.heard_s, utterance.duration_s)[min(chunk, len(utterance.heard_s))] for utterance in heard
        ]
        _, state = decoder.advance(pieces, times_s, state, last)
        begin = end
    return [Decoded(u.duration_s, state.words(row), state.nbest[row]) for row, u in enumerate(heard)]


def _piece(tap: Tap, begin: int, end: int, moves: Tensor, last: Tensor) -> Tap:
    """Frames of a tap from `begin` to `end`; to its last one in rows that end; none in those that stand still."""
    lengths = torch.where(last, tap.lengths, tap.lengths.clamp(max=end)).sub(begin).clamp(min=0) * moves
    return Tap(tap.x[:, begin : begin + int(lengths.max())], lengths, tap.shift_s)


def _padded(heard: Sequence[Utterance], device: torch.device) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(utterance.samples) for utterance in heard])
    speech = torch.zeros(len(heard), int(lengths.max()))
    for row, utterance in zip(speech, heard, strict=True):
        row[: len(utterance.samples)] = torch.from_numpy(utterance.samples)
    return speech.to(device), lengths.to(device)
