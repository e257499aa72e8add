"""How a model decodes: the keyword arguments of `Speech2Text`, and what a search adds to the model's probabilities."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from espnet_jst.compat import import_espnet_tasks
from espnet_jst.config import check_keys
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.inference.align.word_times import TimingConf
from espnet_jst.limits import check_values
from espnet_jst.search.scorers import LabelScorer, LanguageModel, PhraseBias
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import Glued, has_blanks, split_units
from espnet_jst.text.words import LANES
from espnet_jst.untrusted.config_file import read_yaml
from espnet_jst.weights import limit_parameters, load_strict, read_weights


@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """Keyword arguments of `Speech2Text`.

    Attributes:
        beam_size: hypotheses kept; 1 is greedy search.
        nbest: length of the n-best list; more than 1 needs a beam.
        chunk_s: chunk in seconds, 0 or infinity for the whole utterance; by default the model's own.
        left_chunks: chunks of left context, -1 for all; by default the model's own.
        blank_penalty: subtracted from the blank's logit: more words where the model leaves some out. A number for all
            lanes, or a mapping such as {"translation": 1.5}; lanes that it does not name have 0.
        max_symbols: most symbols in one frame; a translation comes in bursts, so at least 20 (arXiv:2307.03354).
        search_heads: names of the transducer heads to search; by default every one, of several with the same lane the
            last.
        timing_conf: how word boundaries are drawn.
        lm_train_config, lm_file: configuration and weights of a recurrent language model of ESPnet over the labels of
            the searched head; needs a beam.
        lm_weight: factor of its log-probabilities.
        phrases: phrases that are likely to be said, as text; needs a beam. A tag inside a phrase breaks it.
        phrase_bonus: nats for each of a phrase's labels.
        quantize_model: 8-bit weights in the encoders' linear layers, activations quantized as they come: a fifth to a
            quarter less time on a CPU. Scores and, rarely, words change.

    Raises:
        ConfigError: values that do not go together.
    """

    beam_size: int = 1
    nbest: int = 1
    chunk_s: float | None = None
    left_chunks: int | None = None
    blank_penalty: float | Mapping[str, float] = 0.0
    max_symbols: int = 20
    search_heads: Sequence[str] | None = None
    timing_conf: TimingConf | None = None
    lm_train_config: str | Path | None = None
    lm_file: str | Path | None = None
    lm_weight: float = 0.3
    phrases: Sequence[str] = ()
    phrase_bonus: float = 1.5
    quantize_model: bool = False

    def __post_init__(self) -> None:
        numbers = ("beam_size", "nbest", "left_chunks", "max_symbols", "lm_weight", "phrase_bonus", "chunk_s")
        given = {name: getattr(self, name) for name in (*numbers, "blank_penalty")}
        check_values(given, "Speech2Text", get_type_hints(DecodingOptions))
        if self.nbest > self.beam_size:
            raise ConfigError(
                f"nbest={self.nbest} needs a beam of at least as many hypotheses: beam_size is {self.beam_size}"
            )
        if self.beam_size == 1 and (self.phrases or self.lm_file or self.lm_train_config):
            raise ConfigError("phrases and a language model choose among hypotheses: give a beam_size of 2 or more")
        if isinstance(self.blank_penalty, Mapping):
            check_keys(self.blank_penalty, LANES, "blank_penalty")
        if bool(self.lm_file) != bool(self.lm_train_config):
            raise ConfigError("a language model needs both lm_train_config and lm_file")

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> DecodingOptions:
        """Keyword arguments -> options; an unknown one is refused with the closest known one."""
        check_keys(options, [field.name for field in fields(cls)], "Speech2Text")
        return cls(**options)

    def scorers(self, tokenizers: Mapping[str, Tokenizer], device: str) -> dict[str, list[LabelScorer]]:
        """For each searched head, by its vocabulary: what is added to the labels' log-probabilities.

        Raises:
            ConfigError: a phrase or the language model fits none of the vocabularies, or the model is of another kind.
            CheckpointError: its files are damaged or unsafe.
        """
        found: dict[str, list[LabelScorer]] = {name: [] for name in tokenizers}
        if self.lm_file and self.lm_train_config:
            lm, tokens = load_language_model(self.lm_train_config, self.lm_file, device)
            fitting = [name for name, tokenizer in tokenizers.items() if tokenizer.tokens == tokens]
            if not fitting:
                sizes = ", ".join(str(tokenizer.vocab_size) for tokenizer in tokenizers.values())
                raise ConfigError(
                    f"{self.lm_train_config}: its {len(tokens)} tokens are not those of a searched head ({sizes}); "
                    "train it on lines of the model's own tokens: espnet2.bin.lm_train --token_type word "
                    "--token_list <that of the model>"
                )
            for name in fitting:
                found[name].append(LanguageModel(lm, weight=self.lm_weight))
        spelled = {name: _spelled(self.phrases, tokenizer) for name, tokenizer in tokenizers.items()}
        for phrase in self.phrases:
            if not any(phrase in labels for labels in spelled.values()):
                raise ConfigError(f"phrase {phrase!r} cannot be written with the model's tokens: leave it out")
        for name, labels in spelled.items():
            if labels:
                forms = [form for spellings in labels.values() for form in spellings]
                bias = PhraseBias(forms, tokenizers[name].vocab_size, bonus=self.phrase_bonus)
                found[name].append(bias)
        return found


def _spelled(phrases: Sequence[str], tokenizer: Tokenizer) -> dict[str, list[list[int]]]:
    """Labels of the phrases that a vocabulary can write; in scripts without blanks also those inside a text."""
    spelled: dict[str, list[list[int]]] = {}
    for phrase in phrases:
        units = split_units(phrase)
        forms = [units, [Glued(units[0]), *units[1:]]] if units and not has_blanks(units[0]) else [units]
        labels = [ids for ids in map(tokenizer.encode, forms) if ids and tokenizer.unk_id not in ids]
        if labels:
            spelled[phrase] = labels
    return spelled


def load_language_model(config: str | Path, weights: str | Path, device: str) -> tuple[Any, list[str]]:
    """A language model trained by `espnet2.bin.lm_train`, and its tokens; nothing in the files is executed.

    Raises:
        CheckpointError: a file is missing, damaged or unsafe, or they do not belong together.
    """
    values = read_yaml(config)
    if "lm" not in values or "token_list" not in values:
        raise CheckpointError(f"{config} is not a configuration of espnet2.bin.lm_train: it has no lm or token_list")
    # Before anything is built: the constructors of others fetch what a configuration names.
    if values["lm"] != "seq_rnn":
        raise ConfigError(
            f"{config}: lm {values['lm']!r}: shallow fusion takes ESPnet's recurrent language model (seq_rnn)"
        )
    task = import_espnet_tasks(["lm"])["lm"].LMTask
    state = read_weights(weights)
    with limit_parameters(sum(tensor.numel() for tensor in state.values()), weights):
        model = task.build_model(argparse.Namespace(**values))
    load_strict(model, state, weights)
    listed = values["token_list"]
    tokens = listed if isinstance(listed, list) else read_tokens(listed)
    return model.to(device).eval().lm, [str(token) for token in tokens]
