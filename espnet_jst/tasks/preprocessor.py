"""From the files of an utterance to what the model trains on: augmented speech and one target a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from espnet2.train.preprocessor import AbsPreprocessor

from espnet_jst.data.augment import augment
from espnet_jst.data.checks import NO_VALUE
from espnet_jst.data.conf import PreprocessorConf
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.heads.build import vocabulary_of
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.keys import read
from espnet_jst.text.serialize import serialize
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import split_units
from espnet_jst.text.words import TRANSCRIPT, TRANSLATION

TEXT_OF_LANE = {TRANSCRIPT: "src_text", TRANSLATION: "text"}
TEXT_NAMES = ("text", "src_text", "alignment", "word_times")
NONE = NO_VALUE
FIXES = {
    "text": "the translation: text.<case>.<tgt> of stage 3",
    "src_text": "the transcript: text.<case>.<src> of stage 3",
    "alignment": "word links, which stage 5 writes (or policy: inter, which needs none)",
    "word_times": "word end times, which jst_align --times writes (or policy: align)",
}


class JSTPreprocessor(AbsPreprocessor):
    """Speech and texts of one utterance -> speech (N,) float32 and `target_<head>` (U,) int64 for every head.

    Args:
        train: augment the speech.
        specs: the heads.
        tokenizers: of the vocabularies "tgt" and, where there is one, "src".
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
        conf: Mapping | None = None,
    ) -> None:
        super().__init__(train)
        self.conf = read(PreprocessorConf, conf, "preprocessor_conf")
        self.specs, self.tokenizers = dict(specs), {}
        self.tags: dict[str, Tags] = {}
        sizes = {name: tokenizer.vocab_size for name, tokenizer in tokenizers.items()}
        for name, spec in self.specs.items():
            self.tokenizers[name] = tokenizers[vocabulary_of(spec, sizes)]
            if spec.serialized:
                self.tags[name] = _tags(spec, self.conf, self.tokenizers[name])

    def required_names(self) -> dict[str, str]:
        """Name of every text that the heads need -> the head that needs it."""
        needs: dict[str, str] = {}
        for name, spec in self.specs.items():
            texts = [TEXT_OF_LANE[lane] for lane in spec.lanes]
            if spec.serialized and spec.policy != "inter":
                texts.append("alignment")
            if spec.serialized and spec.policy == "time":
                texts.append("word_times")
            for text in texts:
                needs.setdefault(text, name)
        return needs

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse data without a text that a head needs.

        Raises:
            ConfigError: names the data, the head, and where the data comes from.
        """
        for text, head in self.required_names().items():
            if text not in names:
                raise ConfigError(
                    f"head {head!r} needs the data {text!r}: {FIXES[text]}; give it as "
                    f"--train_data_path_and_name_and_type FILE,{text},text, and for --valid_... too"
                )

    def __call__(self, uid: str, data: dict[str, Any]) -> dict[str, np.ndarray]:
        """One utterance.

        Raises:
            DataError: the recording or a text cannot be used; names the utterance.
        """
        out = {name: value for name, value in data.items() if name not in TEXT_NAMES}
        if "speech" in data:
            # In training the loss of such audio is NaN: the batch is skipped and the utterance written down.
            speech = checked_speech(uid, data["speech"], finite=not self.train)
            out["speech"] = augment(speech, self.conf) if self.train else speech
        if any(name in data for name in TEXT_NAMES):
            for name, spec in self.specs.items():
                out[spec.target] = self._target(uid, name, spec, data)
        return out

    def _target(self, uid: str, name: str, spec: HeadSpec, data: Mapping[str, Any]) -> np.ndarray:
        lanes = {lane: _units(uid, data, TEXT_OF_LANE[lane], name) for lane in spec.lanes}
        try:
            words = self._serialized(uid, name, spec, lanes, data) if spec.serialized else lanes[spec.lanes[0]]
            return np.array(self.tokenizers[name].encode(words), dtype=np.int64)
        except DataError as error:
            raise DataError(f"utterance {uid!r}: {error}") from error

    def _serialized(
        self, uid: str, name: str, spec: HeadSpec, lanes: Mapping[str, list[str]], data: Mapping[str, Any]
    ) -> list[str]:
        policy, gamma, links, ends_s = spec.policy, spec.gamma, [], None
        if policy != "inter":
            links = [_link(item) for item in _words(uid, data, "alignment", name)]
        if policy == "time":
            ends_s = [float(item) for item in _words(uid, data, "word_times", name)]
        if policy != "inter" and (not links or (policy == "time" and not ends_s)):
            policy, gamma = "inter", 0.0  # nothing says where a word belongs: transcript first
        return serialize(
            lanes[TRANSCRIPT],
            lanes[TRANSLATION],
            links,
            policy=policy,
            gamma=gamma,
            ends_s=ends_s,
            source_tag=self.tags[name].source_tag(),
            target_tag=self.tags[name].target_tag(),
            max_block_words=spec.max_block_words,
        )


def checked_speech(uid: str, speech: np.ndarray, *, finite: bool) -> np.ndarray:
    """Mono samples as float32.

    Raises:
        DataError: no sample, several channels, or, where they must be `finite`, a sample that is not a number.
    """
    if speech.ndim == 2 and speech.shape[1] == 1:
        speech = speech[:, 0]
    if speech.ndim != 1:
        raise DataError(f"utterance {uid!r}: the audio has shape {speech.shape}, one channel is needed: run stage 3")
    if not speech.size:
        raise DataError(f"utterance {uid!r}: the audio is empty: stage 4 leaves such utterances out")
    if finite and not np.isfinite(speech).all():
        raise DataError(f"utterance {uid!r}: the audio has samples that are not numbers: stage 3 leaves it out")
    return speech.astype(np.float32, copy=False)


def _units(uid: str, data: Mapping[str, Any], text: str, head: str) -> list[str]:
    return split_units(" ".join(_words(uid, data, text, head)))


def _words(uid: str, data: Mapping[str, Any], text: str, head: str) -> list[str]:
    if text not in data:
        raise DataError(f"utterance {uid!r}: head {head!r} needs {text!r}: {FIXES[text]}")
    value = str(data[text]).strip()
    return [] if value == NONE else value.split()


def _link(item: str) -> tuple[int, int]:
    source, _, target = item.partition("-")
    if not (source.isdecimal() and target.isdecimal()):
        raise DataError(f"word link {item!r} is not of the form 0-1: run stage 5 again")
    return int(source), int(target)


def _tags(spec: HeadSpec, conf: PreprocessorConf, tokenizer: Tokenizer) -> Tags:
    tags = Tags.configured(spec.tags, vars(conf))
    missing = [tag for tag in tags.all() if tag not in tokenizer.tokens]
    if missing:
        raise ConfigError(
            f"head {spec.name!r} writes {' '.join(tags.all())}, and the token list has no {' '.join(missing)}: make it "
            f"again with the tag scheme {spec.tags!r} (stage 5), or change model_conf.heads.{spec.name}.tags"
        )
    return tags
