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
from espnet_jst.streams import device_of
from espnet_jst.taps import Tap
from espnet_jst.text.words import Word


class Speech(NamedTuple):
    """One whole utterance: checked samples (n,) or (n, C), their rate in Hz, and the language to translate it into."""

    samples: np.ndarray
    fs: int
    tgt_lang: str | None = None


@dataclass(frozen=True)
class Decoded:
    """What was heard in one utterance.

    Attributes:
        duration_s: seconds of audio.
        tgt_lang: language that it was translated into, where the model was told it.
        result: words of all lanes in the order in which they are shown, of a lane with two passes those of the second.
        nbest: for each search its hypotheses, best first.
    """

    duration_s: float
    tgt_lang: str | None
    result: list[Word]
    nbest: dict[str, list[Hypothesis]]


class Utterance:
    """Samples at the model's rate, and how much had been heard when each of its chunks was complete."""

    def __init__(self, samples: np.ndarray, fs: int, model_fs: int, schedule: ChunkSchedule) -> None:
        resampler = Resampler(fs, model_fs, channels=1 if samples.ndim == 1 else samples.shape[1])
        self.samples = np.concatenate([resampler.push(samples), resampler.finish()])
        self.duration_s = len(samples) / fs
        complete = range(schedule.complete_chunks(len(self.samples)))
        self.heard_s = [resampler.heard_samples(schedule.samples(chunk)) / fs for chunk in complete]


class Encoded(NamedTuple):
    """Utterances of a batch, their taps as wholes, and the languages to translate into."""

    heard: list[Utterance]
    taps: dict[str, Tap]
    tgt_langs: list[str | None]


def decode_batch(
    model: JSTModel, schedule: ChunkSchedule, decoder: Decoder, utterances: Sequence[Speech]
) -> list[Decoded]:
    """Decode whole utterances; with a finite chunk, the words and times are those of a session.

    Args:
        model: the model, in evaluation mode.
        schedule: chunk and left context.
        decoder: from taps to words.
        utterances: those to decode.

    Raises:
        DataError: an utterance cannot be decoded; `index` is its place.
    """
    return decode_encoded(schedule, decoder, encode_batch(model, schedule, decoder.reads, utterances))


@torch.inference_mode()
def encode_batch(
    model: JSTModel, schedule: ChunkSchedule, reads: Collection[str], utterances: Sequence[Speech]
) -> Encoded:
    """The taps `reads` of whole utterances; arguments as `decode_batch`."""
    heard = [Utterance(samples, fs, model.fs, schedule) for samples, fs, _ in utterances]
    tgt_langs = [utterance.tgt_lang for utterance in utterances]
    encoded = model.encode(*_padded(heard, device_of(model)), schedule.context, tgt_langs)
    taps = {name: encoded[name]._replace(lengths=encoded[name].lengths.cpu()) for name in reads}
    return Encoded(heard, taps, tgt_langs)


@torch.inference_mode()
def decode_encoded(schedule: ChunkSchedule, decoder: Decoder, encoded: Encoded) -> list[Decoded]:
    """Decode a batch that has been encoded with this schedule.

    Raises:
        DataError: as `decode_batch`.
    """
    heard, taps, tgt_langs = encoded
    state = decoder.init_state(len(heard), tgt_langs)
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
    return [
        Decoded(u.duration_s, tgt_lang, state.result(row), state.nbest[row])
        for row, (u, tgt_lang) in enumerate(zip(heard, tgt_langs, strict=True))
    ]


def _piece(tap: Tap, begin: int, end: int, moves: Tensor, last: Tensor) -> Tap:
    """Frames of a tap from `begin` to `end`; to its last one in rows that end; none in those that stand still."""
    lengths = torch.where(last, tap.lengths, tap.lengths.clamp(max=end)).sub(begin).clamp(min=0) * moves
    return Tap(tap.x[:, begin : begin + int(lengths.max())], lengths, tap.shift_s)


def _padded(heard: Sequence[Utterance], device: torch.device) -> tuple[Tensor, Tensor]:
    lengths = torch.tensor([len(utterance.samples) for utterance in heard])
    speech = torch.zeros(len(heard), int(lengths.max()), *heard[0].samples.shape[1:])
    for row, utterance in zip(speech, heard, strict=True):
        row[: len(utterance.samples)] = torch.from_numpy(utterance.samples)
    return speech.to(device), lengths.to(device)
