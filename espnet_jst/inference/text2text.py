"""A trained model that hears text: lines, or words as somebody recognizes them, in; words of the translation out."""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch

from espnet_jst.compat import float32_by_default
from espnet_jst.encoders.chain import FIRST
from espnet_jst.errors import ConfigError
from espnet_jst.inference.decoder import Decoder, DecoderState
from espnet_jst.inference.loading import load_model, quantized
from espnet_jst.inference.options import DecodingOptions
from espnet_jst.inference.searches import build_decoder
from espnet_jst.inference.word_stream import Span, Update, WordStream
from espnet_jst.model import JSTModel, ModelState
from espnet_jst.streams import RowState, device_of
from espnet_jst.taps import Tap
from espnet_jst.tasks.arguments import build_tokenizers, inputs_of
from espnet_jst.text.assembler import AssembledWord
from espnet_jst.text.lanes import in_order
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import Glued, needs_blank, split_units
from espnet_jst.text.words import Word


class TextWordStream(WordStream):
    """Words whose time is that of the words that they were written for.

    Attributes:
        spans: seconds of the word that each token heard so far belongs to.
        before: the last word heard.
        speaker: who said it.
    """

    spans: tuple[Span, ...] = ()
    before = ""
    speaker: str | None = None

    def hear(self, words: Sequence[Word], tokenizer: Tokenizer) -> tuple[Self, list[int]]:
        """This stream after further words, and their tokens: each word for itself, as nobody knows what follows it.

        A translator that writes tags of speakers hears them too, wherever another one speaks.
        """
        after, ids = self.fork(), []
        for word in words:
            glued = not needs_blank(after.before, word.text) if word.glued is None else word.glued
            pieces = tokenizer.encode([Glued(word.text) if glued and after.before else word.text])
            if word.speaker != after.speaker:
                pieces = tokenizer.encode(self._tag(word.speaker)) + pieces
                after.speaker = word.speaker
            after.spans += ((word.start_s, word.end_s),) * len(pieces)
            after.before = word.text
            ids += pieces
        return after, ids

    def _tag(self, speaker: str | None) -> list[str]:
        known = (search.tags for search in self._searches.values())
        return next(([tags.speaker_tag(speaker)] for tags in known if speaker in tags.speakers), [])

    def _seconds(self, name: str, word: AssembledWord) -> Span:
        # A token takes a second of the model's time; the last frames may reach beyond the last token.
        shift, latest = self._searches[name].frame_shift_s, len(self.spans) - 1
        first = min(math.floor(word.first_frame * shift + 1e-6), latest)
        last = min(math.ceil((word.last_frame + 1) * shift - 1e-6) - 1, latest)
        return self.spans[first][0], self.spans[max(first, last)][1]


class TextDecoder(Decoder):
    """Its streams are `TextWordStream`s."""

    words_of = TextWordStream


@dataclass
class TextState(RowState):
    """State of streams of text: of the model and of the searches."""

    model: ModelState
    decoding: DecoderState


class Text2Text:
    """Translate text.

    Args:
        mt_train_config: config.yaml of the training run; by default beside the weights.
        mt_model_file: weights, .pth or .safetensors.
        device: "cpu", "cuda" or "cuda:N".
        options: how to decode, see DecodingOptions; `chunk_s` counts tokens.

    Attributes:
        reads: the data that the model translates, such as "src_text".
        lanes: those that it writes.
        tgt_langs: the languages that it has to be told one of, where there are several.
        weights: their file, None of a model in memory.

    Raises:
        CheckpointError: the weights are damaged or belong to another model.
        ConfigError: a value cannot be used, or the model hears speech.
    """

    def __init__(
        self,
        mt_train_config: str | Path | None = None,
        mt_model_file: str | Path | None = None,
        *,
        device: str = "cpu",
        **options: Any,
    ) -> None:
        self._set_up(*load_model(mt_train_config, mt_model_file, device), DecodingOptions.parse(options))
        self.weights = None if mt_model_file is None else Path(mt_model_file)

    weights: Path | None

    @float32_by_default()
    def _set_up(self, model: JSTModel, args: argparse.Namespace, options: DecodingOptions) -> None:
        if model.speech is not None:
            raise ConfigError("the model hears speech and no text: give it to Speech2Text, or espnet-jst transcribe")
        self.model = quantized(model.eval()) if options.quantize_model else model.eval()
        spec = next(spec for spec in inputs_of(args).values() if spec.into == FIRST and spec.shares is None)
        self.args, self.options, self.tokenizers = args, options, build_tokenizers(args)
        self.reads, self.tokenizer = spec.text, self.tokenizers[spec.vocabulary_in(self.tokenizers)]
        self.decoder = self._decoder(options)
        self.context = model.chain.given(options.chunk_s, options.left_chunks)
        self.lanes = in_order(lane.name for search in self.decoder.searches.values() for lane in search.lanes)
        self.tgt_langs = model.tgt_langs.codes if model.tgt_langs is not None else ()
        self.tgt_lang, self.weights = options.tgt_lang, None

    def _decoder(self, options: DecodingOptions) -> TextDecoder:
        built = build_decoder(self.model, self.args, self.tokenizers, options)
        return TextDecoder(built.searches, built.timings, revises=built.revises)

    def with_penalty(self, blank_penalty: float | Mapping[str, Any]) -> Text2Text:
        """The same model with another blank penalty.

        Raises:
            ConfigError: the penalty cannot be used with this model.
        """
        other = copy.copy(self)
        other.options = replace(self.options, blank_penalty=blank_penalty)
        other.decoder = self._decoder(other.options)
        return other

    @classmethod
    def from_model(cls, model: JSTModel, args: argparse.Namespace, **options: Any) -> Text2Text:
        """Translate with a model in memory; `args` are its training arguments, `options` those of the constructor."""
        self = cls.__new__(cls)
        self._set_up(model, args, DecodingOptions.parse(options))
        return self

    @classmethod
    def from_pretrained(cls, tag_or_path: str | Path, **overrides: Any) -> Text2Text:
        """Load a packed zip, a folder (unpacked pack or experiment) or a hub tag `owner/name@revision`."""
        from espnet_jst.hub.load import CONFIG_KEY, WEIGHTS_KEY, decoding_options, resolve

        files = resolve(tag_or_path)
        given = {**decoding_options(files[CONFIG_KEY]), **overrides}
        return cls(files[CONFIG_KEY], files[WEIGHTS_KEY], **given)

    def __call__(self, lines: Sequence[str], tgt_lang: str | None = None) -> list[list[Word]]:
        """Translate lines, in one batch. The times of a word are places of words in its line.

        Args:
            lines: texts.
            tgt_lang: language to translate into, of a model that has several; by default that of the constructor.
        """
        if not lines:
            return []
        words = [[_spoken(place, unit) for place, unit in enumerate(split_units(line))] for line in lines]
        state = self.init_state(len(lines), [tgt_lang or self.tgt_lang] * len(lines))
        _, state = self.advance(words, [float(len(row)) for row in words], state, [True] * len(lines))
        return [state.decoding.result(row) for row in range(len(lines))]

    def init_state(self, batch_size: int, tgt_langs: Sequence[str | None] = ()) -> TextState:
        """State before the first word of `batch_size` streams, and the languages that they are translated into."""
        return TextState(
            self.model.init_state(batch_size, self.context, tgt_langs), self.decoder.init_state(batch_size, tgt_langs)
        )

    @float32_by_default()
    @torch.inference_mode()
    def advance(
        self, words: Sequence[Sequence[Word]], heard_s: Sequence[float], state: TextState, last: Sequence[bool]
    ) -> tuple[list[Update], TextState]:
        """Further words of each stream -> what of the translation is new or no longer holds, and the state.

        Args:
            words: with the seconds in which they were spoken.
            heard_s: for each stream, seconds of audio that have been heard: the emission time of its new words.
            state: of these streams.
            last: for each stream, whether nothing follows.

        Raises:
            DataError: a stream cannot be decoded; `index` is its place in the batch.
        """
        streams, ids = [], []
        for row, stream in zip(words, state.decoding.streams, strict=True):
            assert isinstance(stream, TextWordStream)
            after, tokens = stream.hear(row, self.tokenizer) if row else (stream, [])
            streams.append(after)
            ids.append(tokens)
        lengths = torch.tensor([len(row) for row in ids])
        padded = torch.tensor([row + [-1] * (int(lengths.max()) - len(row)) for row in ids], dtype=torch.long)
        heard = Tap(padded.to(device_of(self.model)), lengths, 1 / self.model.fs)
        taps, model = self.model.step(heard, state.model, last)
        decoding = DecoderState(state.decoding.searches, list(streams), state.decoding.nbest)
        updates, decoding = self.decoder.advance(taps, heard_s, decoding, last)
        return updates, TextState(model, decoding)


def _spoken(place: int, unit: str) -> Word:
    return Word(str(unit), "", place, place + 1, place + 1, glued=isinstance(unit, Glued))
