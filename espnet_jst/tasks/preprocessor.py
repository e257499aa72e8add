"""From the files of an utterance to what the model trains on: one input, and one target a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_jst.data.augment import augment
from espnet_jst.data.checks import NO_VALUE
from espnet_jst.data.conf import PreprocessorConf
from espnet_jst.encoders.conf import TargetLanguagesConf
from espnet_jst.encoders.tgt_langs import TGT_LANG, place_of
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.heads.spec import HeadSpec, vocabulary_of
from espnet_jst.inputs.spec import FRAMES, SPEECH, InputSpec
from espnet_jst.keys import read
from espnet_jst.text.align.pharaoh import parse_pharaoh
from espnet_jst.text.attributed import Attributed, links_of_words, with_speakers
from espnet_jst.text.lanes import LANES, Lane
from espnet_jst.text.serialize import serialize
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import split_units

ALIGNMENT, WORD_TIMES, SRC_LANG = "alignment", "word_times", "src_lang"


class JSTPreprocessor(AbsPreprocessor):
    """Speech and texts of one utterance -> what the model takes.

    That is `speech` (N,) float32, of several channels (N, C), or where there is none the `input_<name>` (U,) int64
    whose text is there; and `target_<head>` (U,) int64 for every head whose texts are all there, and `tgt_lang` (1,)
    int64. `tgt_lang` and `src_lang` of an utterance choose its tags where these tell several languages apart. Whether
    the data sets together have what a model needs is looked at once, before the training (`data_sets`).

    Args:
        train: augment the speech.
        specs: the heads.
        tokenizers: of the vocabularies "tgt" and, where there is one, "src".
        inputs: those beside speech.
        lanes: every lane that a head writes, by name.
        tgt_langs: the languages that it translates into, where it is told which.
        channels: of the recordings, as many as the frontend takes; 0: no speech is heard.
        conf: `preprocessor_conf`, see `PreprocessorConf`.

    Raises:
        ConfigError: an unknown key, or a token list without the tags of a serialized head.
    """

    def __init__(
        self,
        train: bool,
        *,
        specs: Mapping[str, HeadSpec],
        tokenizers: Mapping[str, Tokenizer],
        inputs: Mapping[str, InputSpec] | None = None,
        lanes: Mapping[str, Lane] = LANES,
        tgt_langs: TargetLanguagesConf | None = None,
        channels: int = 1,
        conf: Mapping | None = None,
    ) -> None:
        super().__init__(train)
        self.conf = read(PreprocessorConf, conf, "preprocessor_conf")
        self.specs, self.inputs, self.lanes, self.channels = dict(specs), dict(inputs or {}), lanes, channels
        self.tgt_langs = tgt_langs
        self.tokenizers: dict[str, Tokenizer] = {}
        self.tags: dict[str, Tags] = {}
        self.input_tokenizers = {name: tokenizers[spec.vocabulary_in(tokenizers)] for name, spec in self.inputs.items()}
        for name, spec in self.specs.items():
            self.tokenizers[name] = tokenizers[vocabulary_of(spec, tokenizers)]
            tags = _tags(spec, self.conf, self.tokenizers[name])
            if spec.serialized:
                self.tags[name] = tags
                if sorted(lanes[lane].source for lane in spec.lanes) != [False, True]:
                    raise ConfigError(
                        f"head {name!r}: {', '.join(spec.lanes)} cannot be serialized: name one lane that says what "
                        "was spoken, and its translation"
                    )
        self.needs = {name: self._needs(spec) for name, spec in self.specs.items()}
        texts = {spec.text for spec in self.inputs.values()}
        self.text_names = texts | {lane.data for lane in lanes.values()} | {ALIGNMENT, WORD_TIMES, SRC_LANG, TGT_LANG}

    def _needs(self, spec: HeadSpec) -> tuple[str, ...]:
        """Names of all data that a head's target is made from."""
        texts = [self.lanes[lane].data for lane in spec.lanes]
        if spec.serialized and spec.policy != "inter":
            texts.append(ALIGNMENT)
        if spec.serialized and spec.policy == "time":
            texts.append(WORD_TIMES)
        told = self.tgt_langs is not None and spec.reads == self.tgt_langs.at
        if told or len(self._languages(spec)[TGT_LANG]) > 1:
            texts.append(TGT_LANG)
        if len(self._languages(spec)[SRC_LANG]) > 1:
            texts.append(SRC_LANG)
        return tuple(texts)

    def _languages(self, spec: HeadSpec) -> dict[str, tuple[str, ...]]:
        """Languages that a head's tags tell apart, by the name of what says which one an utterance has."""
        if not spec.serialized or spec.tags == "task":
            return {SRC_LANG: (), TGT_LANG: ()}
        tags = self.tags[spec.name]
        return {SRC_LANG: tags.source_languages, TGT_LANG: tags.target_languages}

    def __call__(self, uid: str, data: dict[str, Any]) -> dict[str, np.ndarray]:
        """One utterance.

        Raises:
            DataError: the recording or a text cannot be used; names the utterance.
        """
        out = {name: value for name, value in data.items() if name not in self.text_names}
        if SPEECH in data:
            # In training the loss of such audio is NaN: the batch is skipped and the utterance written down.
            speech = checked_speech(uid, data[SPEECH], finite=not self.train, channels=self.channels)
            out[SPEECH] = augment(speech, self.conf) if self.train else speech
        elif FRAMES in data:
            out[FRAMES] = np.asarray(data[FRAMES], dtype=np.float32)
        else:
            out.update({spec.key: self._tokens(uid, spec, data) for spec in self.inputs.values() if spec.text in data})
        if self.tgt_langs is not None and TGT_LANG in data:
            out[TGT_LANG] = self._language(uid, data, self.tgt_langs.codes)
        for name, spec in self.specs.items():
            if all(text in data for text in self.needs[name]):
                out[spec.target] = self._target(uid, name, spec, data)
        return out

    def _tokens(self, uid: str, spec: InputSpec, data: Mapping[str, Any]) -> np.ndarray:
        ids = _encoded(uid, self.input_tokenizers[spec.name], _units(data, spec.text))
        if not ids.size:
            raise DataError(f"utterance {uid!r}: {spec.text!r}, which is the input, is empty: leave it out")
        return ids

    def _language(self, uid: str, data: Mapping[str, Any], codes: Sequence[str]) -> np.ndarray:
        try:
            return np.array([place_of(" ".join(_words(data, TGT_LANG)) or None, codes)], dtype=np.int64)
        except ConfigError as error:
            raise DataError(f"utterance {uid!r}: {error} (utt2tgt_lang)") from error

    def _target(self, uid: str, name: str, spec: HeadSpec, data: Mapping[str, Any]) -> np.ndarray:
        lanes = {lane: _units(data, self.lanes[lane].data) for lane in spec.lanes}
        try:
            words = self._serialized(name, spec, lanes, data) if spec.serialized else lanes[spec.lanes[0]]
        except (ConfigError, DataError) as error:  # the first of a language that has no tag
            raise DataError(f"utterance {uid!r}: {error}") from error
        return _encoded(uid, self.tokenizers[name], words)

    def _serialized(
        self, name: str, spec: HeadSpec, lanes: Mapping[str, list[str]], data: Mapping[str, Any]
    ) -> list[str]:
        policy, gamma, links, ends_s = spec.policy, spec.gamma, set(), None
        if policy != "inter":
            links = parse_pharaoh(str(data[ALIGNMENT]))
        if policy == "time":
            ends_s = [float(item) for item in _words(data, WORD_TIMES)]
        if policy != "inter" and (not links or (policy == "time" and not ends_s)):
            policy, gamma = "inter", 0.0  # nothing says where a word belongs: transcript first
        tags = self.tags[name]
        sides = {self.lanes[lane].source: Attributed.read(lanes[lane], tags) for lane in spec.lanes}
        source, target = sides[True], sides[False]
        told = {
            name: " ".join(_words(data, name)) if len(codes) > 1 else None
            for name, codes in self._languages(spec).items()
        }
        source_tag, target_tag = tags.source_tag(told[SRC_LANG]), tags.target_tag(told[TGT_LANG])
        serialized = serialize(
            source.words,
            target.words,
            links_of_words(links, source, target),
            policy=policy,
            gamma=gamma,
            ends_s=source.ends(ends_s) if policy == "time" and ends_s else None,
            source_tag=source_tag,
            target_tag=target_tag,
            max_block_words=spec.max_block_words,
        )
        if not tags.speakers:
            return serialized
        speakers = {source_tag: source.speakers, target_tag: target.speakers}
        return with_speakers(serialized, speakers, tags)


def checked_speech(uid: str, speech: np.ndarray, *, finite: bool, channels: int = 1) -> np.ndarray:
    """Samples as float32: (N,), or (N, C) of several channels.

    Raises:
        DataError: no sample, other channels, or, where they must be `finite`, a sample that is not a number.
    """
    if speech.ndim == 2 and speech.shape[1] == 1:
        speech = speech[:, 0]
    if speech.shape[1:] != (() if channels == 1 else (channels,)):
        number = "one channel is" if channels == 1 else f"{channels} channels are"
        raise DataError(
            f"utterance {uid!r}: the audio has shape {speech.shape}, {number} needed: run stage 3 with "
            f"--audio_channels {channels}"
        )
    if not speech.size:
        raise DataError(f"utterance {uid!r}: the audio is empty: stage 4 leaves such utterances out")
    if finite and not np.isfinite(speech).all():
        raise DataError(f"utterance {uid!r}: the audio has samples that are not numbers: stage 3 leaves it out")
    return speech.astype(np.float32, copy=False)


def _encoded(uid: str, tokenizer: Tokenizer, words: Sequence[str]) -> np.ndarray:
    try:
        return np.array(tokenizer.encode(words), dtype=np.int64)
    except DataError as error:
        raise DataError(f"utterance {uid!r}: {error}") from error


def _units(data: Mapping[str, Any], text: str) -> list[str]:
    return split_units(" ".join(_words(data, text)))


def _words(data: Mapping[str, Any], text: str) -> list[str]:
    value = str(data[text]).strip()
    return [] if value == NO_VALUE else value.split()


def _tags(spec: HeadSpec, conf: PreprocessorConf, tokenizer: Tokenizer) -> Tags:
    tags = Tags.configured(spec.tags, vars(conf))
    # What a head of one lane writes has the tags of speakers alone.
    written = tags.all() if spec.serialized else [tags.speaker_tag(speaker) for speaker in tags.speakers]
    missing = [tag for tag in written if tag not in tokenizer.tokens]
    if missing:
        scheme = f" with the tag scheme {spec.tags!r}" if spec.serialized else ""
        change = f"model_conf.heads.{spec.name}.tags" if spec.serialized else "preprocessor_conf.speakers"
        raise ConfigError(
            f"head {spec.name!r} writes {' '.join(written)}, and the token list has no {' '.join(missing)}: make it "
            f"again{scheme} (stage 5), or change {change}"
        )
    return tags
