"""How a model decodes: the keyword arguments of `Speech2Text`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, kind_of, read
from espnet_jst.registry import conf_of, names

Penalty = float | str | None  # a value of a key of a penalty that adapts


@dataclass(frozen=True, kw_only=True)
class TimingConf(Conf):
    """How the frames of a CTC alignment become the ends of words.

    The defaults were found on the validation strings of spoken digits with 80 ms frames, where the peak of a word lies
    0.1 to 0.3 s after its start and 0.15 to 0.4 s before its end.
    """

    blank_penalty: float = key(2.0, "nats taken off the blank's log-probability before aligning", low=-1000, high=1000)
    extend_left_s: float = key(0.12, "how far a word reaches back into blank frames at most, in seconds", low=0)
    extend_right_s: float = key(
        0.3, "how far it reaches forward at most; a gap shorter than both is shared in proportion", low=0
    )
    offset_s: float = key(0.0, "added to every boundary: the constant lag of the head's peaks")
    memory_s: float = key(30.0, "older frames are forgotten in a stream that shows no word", low=0)
    lag_s: float = key(
        0.5, "how far from where a transducer wrote a word it may be found at no cost, in seconds", low=0
    )
    lag_cost: float = key(10.0, "nats for each second further away; 0: the CTC head alone decides", low=0, high=1000)


@dataclass(frozen=True, kw_only=True)
class PenaltyConf(Conf):
    """Keys of every rule by which a blank penalty follows its stream."""

    reads_written: ClassVar[bool] = True  # whether a lane that the same search writes is followed as it is written

    follows: str | None = key(
        None,
        "lane whose length is followed: as far as the same search has written it, or as its CTC head hears it; or "
        "'seconds'; by default the lane itself where a CTC head writes it, else the transcript",
    )
    penalty: float = key(0.0, "nats to begin with", low=-1000, high=1000)
    min: float = key(0.0, "the least that it becomes", low=-1000, high=1000)
    max: float = key(2.0, "the most", low=-1000, high=1000)
    memory_s: float | None = key(
        15.0, "what lies further back counts less and less; null: nothing is forgotten", low=0.1, high=1e6
    )

    def check(self) -> None:
        """Refuse bounds that leave no room."""
        if not self.min <= self.penalty <= self.max:
            raise ConfigError(f"penalty is {self.penalty:g}: it must lie between min {self.min:g} and max {self.max:g}")


@dataclass(frozen=True, kw_only=True)
class FollowLengthConf(PenaltyConf):
    """Labels that are missing raise the penalty, those that are too many lower it."""

    ratio: float = key(1.0, "labels for each that is followed, or for each second", low=0, high=1000)
    slope: float = key(0.3, "nats for each label that is missing, or too many", low=0, high=1000)


@dataclass(frozen=True, kw_only=True)
class GrowWithBlanksConf(PenaltyConf):
    """The penalty grows with the speech that goes by while nothing is written; a label resets it."""

    reads_written: ClassVar[bool] = False  # what makes it grow would reset it

    slope: float = key(0.3, "nats for each label, or second, heard since the last one was written", low=0, high=1000)


@dataclass(frozen=True, kw_only=True)
class BoundLengthConf(PenaltyConf):
    """A fixed penalty that falls to `min` where more has been written than there should be."""

    penalty: float = key(1.0, "nats where less has been written", low=-1000, high=1000)
    ratio: float = key(1.2, "most labels for each that is followed, or for each second", low=0, high=1000)


def read_penalty(entry: Mapping[str, Penalty], where: str) -> PenaltyConf:
    """The keys of a penalty that adapts, by its `kind`.

    Raises:
        ConfigError: its kind or a key is unknown, or a value cannot be used.
    """
    conf = cast(type[PenaltyConf], conf_of("penalty", kind_of(entry, names("penalty"), where)))
    return read(conf, entry, where, beside=("kind",))


@dataclass(frozen=True, kw_only=True)
class DecodingConf(Conf):
    """Keyword arguments of `Speech2Text`; the first ten may stand in the decoding configuration of a pack."""

    beam_size: int = key(1, "hypotheses kept; 1 is greedy search", low=1, high=1000)
    blank_penalty: float | Mapping[str, float | Mapping[str, Penalty]] = key(
        0.0,
        "subtracted from the blank's logit: more words where the model leaves some out; a number for all lanes, "
        "{translation: 1.5}, or one that adapts: {translation: {kind: length, ratio: 1.1}}",
        low=-1000,
        high=1000,
    )
    max_symbols: int = key(
        20, "most symbols in one frame; a translation comes in bursts (arXiv:2307.03354)", low=1, high=1000
    )
    chunk_s: float | None = key(
        None,
        "chunk in seconds, 0 or infinity for the whole utterance; by default the model's own",
        low=-math.inf,  # checked where the model's frames are known
        high=math.inf,
    )
    left_chunks: int | Mapping[str, int] | None = key(
        None,
        "chunks of left context, -1 for all: a number for the first encoder, or {encoder: 8, hier_encoder: 4}; by "
        "default the model's own",
        low=-1,
        high=100_000,
    )
    look_ahead_s: float | None = key(
        None,
        "seconds that a first encoder of overlapping blocks hears behind its chunk; by default its own",
        low=0,
        high=60,
    )
    ctc_weight: float | None = key(
        None,
        "share of the CTC head in the score of an attention decoder's sequence, where one takes part (0.3)",
        low=0,
        high=1,
    )
    penalty: float | None = key(
        None, "nats for each label of an attention decoder: above 0 more words (0)", low=-1000, high=1000
    )
    maxlenratio: float | None = key(
        None,
        "most labels of an attention decoder for each frame; 0: as many as there are frames, below 0: that number (0)",
        low=-100_000,
        high=1000,
    )
    minlenratio: float | None = key(
        None, "least labels of an attention decoder for each frame, below 0: that number (0)", low=-100_000, high=1000
    )
    tgt_lang: str | None = key(
        None, "language to translate into, of a model that has several (model_conf.tgt_langs); a call may name another"
    )
    mt_model: str | Path | None = key(
        None,
        "a cascade: packed zip, folder or hub tag of a model that translates the transcript; a folder may be named "
        "relative to that of the model",
    )
    revise: bool = key(
        False,
        "in a stream, the words of a second pass replace those shown before, which are withdrawn; else they are a "
        "result beside the stream",
    )
    rescore: bool = key(
        False,
        "a second pass writes nothing, it chooses among the hypotheses of the first pass, which needs a beam; by "
        "default as model_conf.searches says (rescores)",
    )
    nbest: int = key(1, "length of the n-best list; more than 1 needs a beam", low=1, high=1000)
    search_heads: Sequence[str] | None = key(
        None, "names of the heads to search; by default those of model_conf.searches"
    )
    timing_conf: TimingConf | None = key(None, "how word boundaries are drawn")
    lm_train_config: str | Path | None = key(
        None, "configuration of a recurrent language model of ESPnet over the head's labels; needs a beam"
    )
    lm_file: str | Path | None = key(None, "its weights")
    lm_weight: float = key(0.3, "factor of its log-probabilities", low=-1000, high=1000)
    phrases: Sequence[str] = key(
        (), "phrases that are likely to be said, as text; needs a beam; a tag inside a phrase breaks it"
    )
    phrase_bonus: float = key(1.5, "nats for each of a phrase's labels", low=-1000, high=1000)
    quantize_model: bool = key(
        False,
        "8-bit weights in the encoders' linear layers, activations quantized as they come: 15 to 31 % less "
        "time on a CPU; scores and, rarely, words change",
    )

    def check(self) -> None:
        """Refuse values that do not go together."""
        for lane, penalty in self.blank_penalty.items() if isinstance(self.blank_penalty, Mapping) else ():
            if isinstance(penalty, Mapping):
                read_penalty(penalty, f"blank_penalty.{lane}")
        if self.nbest > self.beam_size:
            raise ConfigError(
                f"nbest={self.nbest} needs a beam of at least as many hypotheses: beam_size is {self.beam_size}"
            )
        if self.beam_size == 1 and (self.phrases or self.lm_file or self.lm_train_config):
            raise ConfigError("phrases and a language model choose among hypotheses: give a beam_size of 2 or more")
        if bool(self.lm_file) != bool(self.lm_train_config):
            raise ConfigError("a language model needs both lm_train_config and lm_file")
