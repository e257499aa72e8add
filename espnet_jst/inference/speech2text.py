"""Speech2Text: one class for whole utterances and for streams, under ESPnet's names."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from espnet_jst.compat import float32_by_default, work_after_fork
from espnet_jst.data.signal import Remark
from espnet_jst.encoders.tgt_langs import place_of
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.inference.audio.recording import Recording, recording_of, take
from espnet_jst.inference.batch import Decoded, Speech, decode_batch
from espnet_jst.inference.cascade import CascadeDecoder, load_translator
from espnet_jst.inference.decoder import Decoder
from espnet_jst.inference.graphs.load import exported_options, load_exported
from espnet_jst.inference.graphs.manifest import CONFIG, is_exported
from espnet_jst.inference.loading import given_units, load_model, quantized, reading_units
from espnet_jst.inference.long import COSTLY_S, WHOLE_S, check_whole, free_bytes, memory_errors
from espnet_jst.inference.options import DecodingOptions
from espnet_jst.inference.schedule import chunk_schedule
from espnet_jst.inference.searches import build_decoder
from espnet_jst.inference.session import Session
from espnet_jst.inference.text2text import Text2Text
from espnet_jst.inputs.unit_input import UnitInput
from espnet_jst.model import JSTModel
from espnet_jst.search.interface import Hypothesis as Found
from espnet_jst.streams import device_of
from espnet_jst.tasks.arguments import build_tokenizers
from espnet_jst.text.lanes import in_order
from espnet_jst.text.words import Word, join_words
from espnet_jst.units.unit_set import UnitSet

NOTHING = Found([], 0.0)  # a stream without a sample


@dataclass(frozen=True)
class Hypothesis:
    """One entry of the n-best list.

    Attributes:
        score: log-probability of the labels (greedy) or of their paths (beam).
        yseq: token ids of the search that writes the main lane, without blanks.
        words: words of all lanes in the order in which they are shown.
        lanes: the words by lane, such as "transcript" and "translation".
        duration_s: seconds of audio.
        compute: streaming only: `audio_s` and `elapsed_s` of each chunk.
        second_pass: streaming only: what a second pass says that does not revise the stream, by lane.
    """

    score: float
    yseq: list[int]
    words: list[Word]
    lanes: dict[str, list[Word]]
    duration_s: float
    compute: list[dict[str, float]] = field(default_factory=list)
    second_pass: dict[str, list[Word]] = field(default_factory=dict)

    def text(self, lane: str) -> str:
        """The words of a lane as a line."""
        return join_words(self.lanes.get(lane, ()))


Result = tuple[str, list[str], list[int], Hypothesis]
"""ESPnet's n-best entry: (text, token, token_int, hyp); text is that of the main lane."""


class Speech2Text:
    """Transcribe and translate.

    Args:
        st_train_config: config.yaml of the training run; by default beside the weights.
        st_model_file: weights, .pth or .safetensors.
        device: "cpu", "cuda" or "cuda:N".
        options: how to decode: `beam_size`, `nbest`, `chunk_s` and so on, see DecodingOptions.

    Attributes:
        lanes: those that the model writes, by name, the transcript before its translation.
        main_lane: what ESPnet calls the text: the translation, if there is one.
        main_search: the search that writes it.
        languages: code of each lane's language, where the model is a pack that says so.
        config_file: where its configuration lies; None of a model in memory.
        tgt_langs: the languages that it has to be told one of, where there are several.
        translator: the other model of a cascade.

    Raises:
        CheckpointError: the weights are damaged or belong to another model.
        ConfigError: a value cannot be used.
    """

    def __init__(
        self,
        st_train_config: str | Path | None = None,
        st_model_file: str | Path | None = None,
        *,
        device: str = "cpu",
        **options: Any,
    ) -> None:
        chosen = DecodingOptions.parse(options)
        folder = Path(st_train_config or st_model_file or ".").parent
        self.config_file: Path | None = Path(st_train_config or folder / "config.yaml")
        self._set_up(*load_model(st_train_config, st_model_file, device), chosen, folder)

    @float32_by_default()
    def _set_up(
        self, model: JSTModel, args: argparse.Namespace, options: DecodingOptions, folder: Path | None = None
    ) -> None:
        work_after_fork()
        if model.speech is None:
            model = reading_units(model, args)
        # Made under another default; the caller's is left alone.
        if next((weight.dtype for weight in model.parameters()), torch.float32) != torch.float32:
            model = copy.deepcopy(model).float()
        model = quantized(model.eval()) if options.quantize_model else model.eval()
        self.st_model, self.st_train_args, self.options = model, args, options
        self._given_units = given_units(self.st_model)
        self.nbest, self.tgt_lang = options.nbest, options.tgt_lang
        self.languages: dict[str, str] = {}
        self.tokenizers = build_tokenizers(args)
        self.schedule = chunk_schedule(model, options.chunk_s, options.left_chunks, options.look_ahead_s)
        self.decoder = self._decoder(options)
        if options.revise and not any(search.follows for search in self.decoder.searches.values()):
            raise ConfigError("revise: no search is a second pass, name one in model_conf.searches (second_pass_of)")
        self.tgt_langs = model.tgt_langs.codes if model.tgt_langs is not None else ()
        self.translator: Text2Text | None = None
        if options.mt_model is not None:
            device, whole = str(device_of(model)), not self.schedule.chunk_frames
            self.translator = load_translator(options, folder, device, whole=whole)
            self.decoder = CascadeDecoder(self.decoder, self.translator)
            self.tgt_langs = self.translator.tgt_langs or self.tgt_langs
        if options.tgt_lang is not None:
            self.language(options.tgt_lang)  # an unknown one is refused before anything is heard
        written = {lane.name: lane for search in self.decoder.searches.values() for lane in search.lanes}
        self.lanes = {name: written[name] for name in in_order(written)}
        translations = [name for name, lane in self.lanes.items() if not lane.source]
        self.main_lane = (translations or list(self.lanes))[0]
        # Of two passes the second one, which comes last.
        [*_, self.main_search] = [
            name for name, search in self.decoder.searches.items() if search.lane(self.main_lane) is not None
        ]

    def _decoder(self, options: DecodingOptions) -> Decoder:
        # Where a stream shows its words at the end alone, it shows those of the second pass.
        options = options if self.schedule.chunk_frames else replace(options, revise=True)
        return build_decoder(self.st_model, self.st_train_args, self.tokenizers, options)

    @classmethod
    def from_model(cls, model: JSTModel, args: argparse.Namespace, **options: Any) -> Speech2Text:
        """Decode with a model in memory; `args` are its training arguments, `options` those of the constructor."""
        self = cls.__new__(cls)
        self.config_file = None
        self._set_up(model, args, DecodingOptions.parse(options))
        return self

    @classmethod
    def from_pretrained(cls, tag_or_path: str | Path, **overrides: Any) -> Speech2Text:
        """Load a packed zip, a folder (unpacked pack, experiment or export) or a hub tag `owner/name@revision`.

        A pack decodes as its results were made, where it says how: `decoding_options`.

        Args:
            tag_or_path: what to load.
            overrides: arguments of the constructor.
        """
        from espnet_jst.hub.about import languages_of
        from espnet_jst.hub.load import CONFIG_KEY, decoding_options, resolve

        if is_exported(tag_or_path):
            config = str(Path(tag_or_path).expanduser() / CONFIG)
            options = exported_options(decoding_options(config), overrides)
            self = cls.from_model(*load_exported(Path(tag_or_path)), **options)
            self.config_file = Path(config)
        else:
            files = resolve(tag_or_path)
            config = files[CONFIG_KEY]
            self = cls(**{**decoding_options(config), **files, **overrides})
        codes = dict(zip((True, False), languages_of(config)))  # of what was spoken, and of translations
        for name, lane in self.lanes.items():
            if code := lane.language or codes.get(lane.source):
                self.languages[name] = code
        return self

    def with_penalty(self, blank_penalty: float | Mapping[str, Any]) -> Speech2Text:
        """The same model with another blank penalty; of a cascade both models.

        Raises:
            ConfigError: the penalty cannot be used with this model.
        """
        other = copy.copy(self)
        other.options = replace(self.options, blank_penalty=blank_penalty)
        other.decoder = self._decoder(other.options)
        if self.translator is not None:
            other.translator = self.translator.with_penalty(blank_penalty)
            other.decoder = CascadeDecoder(other.decoder, other.translator)
        return other

    @property
    def fs(self) -> int:
        """The model's sampling rate in Hz."""
        return self.st_model.fs

    @property
    def channels(self) -> int:
        """Channels of the audio that the model takes; a model of one takes the mean of any."""
        return self.st_model.channels

    def __call__(self, speech: object, fs: int | None = None, *, tgt_lang: str | None = None) -> list[Result]:
        """Decode one utterance.

        Args:
            speech: samples in [-1, 1] or integers, array or tensor, (n,), (n, C) or (C, n); a path, the bytes of a file
                or a binary file object; or a dictionary of Hugging Face's `datasets`. Channels are mixed down,
                unless the model takes several: then as many must be there.
            fs: sampling rate of samples in Hz; by default the model's. Another rate is resampled.
            tgt_lang: language to translate into, of a model that has several; by default that of the constructor.

        Returns:
            `nbest` entries (text, token, token_int, hyp), best first; text may be empty.

        Raises:
            DataError: the audio cannot be used.
        """
        with recording_of(speech, fs, self.fs, self.channels) as recording:
            return self.decode_recording(recording, tgt_lang)

    def decode_recording(self, recording: Recording, tgt_lang: str | None = None) -> list[Result]:
        """Decode a recording as it is read; a long one needs no more memory than a short one if the chunk is finite.

        Raises:
            DataError: the audio cannot be used, or it must be heard as a whole and does not fit into memory.
        """
        short, blocks = WHOLE_S * recording.fs, recording.blocks()
        taken, rest = take(blocks, short)
        if rest is not None and not self.schedule.context.hears_whole:
            return self._through_session(chain(taken, rest), recording.fs, tgt_lang)
        return self.decode([Speech(self._whole(taken, rest, recording), recording.fs, tgt_lang)])[0]

    @float32_by_default()
    def decode(self, utterances: Sequence[Speech | tuple[np.ndarray, int]]) -> list[list[Result]]:
        """Decode several whole utterances in one batch: (checked samples, rate in Hz[, target language]) each. With a
        finite chunk, long ones go through a session.

        Raises:
            DataError: one of them cannot be decoded; `index` is its place.
        """
        results: dict[int, list[Result]] = {}
        given = [Speech(*utterance) for utterance in utterances]
        asked = [speech._replace(tgt_lang=self.language(speech.tgt_lang)) for speech in given]
        for i, (samples, fs, tgt_lang) in enumerate(asked):
            if len(samples) > WHOLE_S * fs and not self.schedule.context.hears_whole:
                results[i] = self._through_session([samples], fs, tgt_lang)
        short = [i for i in range(len(utterances)) if i not in results]
        if short:
            batch = [asked[i] for i in short]
            with memory_errors(sum(len(samples) / fs for samples, fs, _ in batch)):
                decoded = decode_batch(self.st_model, self.schedule, self.decoder, batch)
            results |= {i: self.results(item) for i, item in zip(short, decoded, strict=True)}
        return [results[i] for i in range(len(utterances))]

    @property
    def units(self) -> UnitSet | None:
        """The units that the model was trained on, if it was."""
        source = self.st_model.source
        return source.ids.units if isinstance(source, UnitInput) else None

    @float32_by_default()
    def decode_units(
        self, utterances: Sequence[Sequence[int]], tgt_langs: Sequence[str | None] = ()
    ) -> list[list[Result]]:
        """Decode utterances that are units already, in one batch; the results are those of their audio.

        Args:
            utterances: of each its units, a unit a frame, of the set `units`.
            tgt_langs: the language to translate each into, of a model that has several.

        Raises:
            ConfigError: the model was not trained on units.
            DataError: an utterance cannot be decoded; `index` is its place.
        """
        model = self._given_units
        if model is None:
            raise ConfigError("the model was not trained on units: give it audio")
        for place, units in enumerate(utterances):
            if not units:
                raise DataError("there is no unit", index=place)
        codes = [self.language(code) for code in tgt_langs or [None] * len(utterances)]
        # Numbers up to 2**24 are themselves in float32, and no set has as many units.
        batch = [
            Speech(np.asarray(units, dtype=np.float32), model.fs, code)
            for units, code in zip(utterances, codes, strict=True)
        ]
        return [self.results(item) for item in decode_batch(model, self.schedule, self.decoder, batch)]

    def _whole(self, taken: list[np.ndarray], rest: Iterator[np.ndarray] | None, recording: Recording) -> np.ndarray:
        """All samples of a recording, as long as the model can hear them at once."""
        free, costly = free_bytes(), False
        count = sum(map(len, taken))
        for block in rest or ():
            count += len(block)
            check_whole(self.st_model, count * self.fs // recording.fs, free)
            if count > COSTLY_S * recording.fs and not costly:
                costly = True
                reason = f"over {COSTLY_S / 60:g} minutes are heard as a whole: time grows with the length squared"
                recording.say(Remark(reason, "give a chunk, --chunk_s 2.56, for a steady pace", "audio-long"))
            taken.append(block)
        return np.concatenate(taken)

    def language(self, tgt_lang: str | None = None) -> str | None:
        """The language to translate into: the one that is asked for, or that of the constructor.

        Raises:
            ConfigError: it is missing, or not one of `tgt_langs`; names those.
        """
        code = tgt_lang or self.tgt_lang
        if self.tgt_langs:
            place_of(code, self.tgt_langs)
        elif code:
            raise ConfigError(f"tgt_lang={code}: the model has one target language, no model_conf.tgt_langs")
        return code

    def _through_session(self, blocks: Iterable[np.ndarray], fs: int, tgt_lang: str | None) -> list[Result]:
        session = self._session(fs, tgt_lang)
        for block in blocks:
            session.feed(block)
        session.finish()
        return self.results(session)

    def session(self, fs: int | None = None, *, tgt_lang: str | None = None) -> Session:
        """A stream of samples at `fs` Hz (by default the model's): `push(samples)` and `finish()` give its words.

        Args:
            tgt_lang: language to translate into, of a model that has several; by default that of the constructor.

        Raises:
            ConfigError: an attention decoder should write while it hears, and has no policy that says when.
        """
        self.decoder.check_streams(self.schedule.context)
        return self._session(fs, tgt_lang)

    def _session(self, fs: int | None, tgt_lang: str | None) -> Session:
        return Session(self.st_model, self.schedule, self.decoder, fs=fs, tgt_lang=self.language(tgt_lang))

    def stream_result(self, session: Session) -> Result:
        """What a finished session has shown, in the form of a call's result."""
        shown, second_pass = self.main_search, dict[str, list[Word]]()
        if not self.decoder.revises:
            shown = self.decoder.searches[shown].follows or shown
            for search in self.decoder.searches.values():
                second_pass |= {
                    lane: [word for word in session.result if word.lane == lane] for lane in search.replaced
                }
        [first, *_] = session.nbest.get(shown) or [NOTHING]
        text, token, token_int, hyp = self._result(first, shown, session.words, session.duration_s)
        return text, token, token_int, replace(hyp, compute=session.compute, second_pass=second_pass)

    def results(self, decoded: Decoded | Session) -> list[Result]:
        """The n-best entries of what has been decoded: those of the second pass, where there is one."""
        first, *further = decoded.nbest.get(self.main_search) or [NOTHING]
        results = [self._result(first, self.main_search, decoded.result, decoded.duration_s)]
        for found in further[: self.nbest - 1]:
            # The other searches keep their best; times are those of the frames.
            best = {name: nbest[0].emissions for name, nbest in decoded.nbest.items()}
            emissions = {**best, self.main_search: found.emissions}
            words = self.decoder.words(emissions, decoded.duration_s, decoded.tgt_lang)
            results.append(self._result(found, self.main_search, words, decoded.duration_s))
        return results

    def _result(self, found: Found, search: str, words: list[Word], duration_s: float) -> Result:
        token_int = [emission.token for emission in found.emissions]
        tokens = self.decoder.searches[search].tokenizer.tokens
        lanes: dict[str, list[Word]] = {lane: [] for lane in self.lanes}
        for word in words:
            lanes.setdefault(word.lane, []).append(word)
        hyp = Hypothesis(found.score, token_int, words, lanes, duration_s)
        return hyp.text(self.main_lane), [tokens[i] for i in token_int], token_int, hyp
