"""How a model decodes: the keyword arguments of `Speech2Text`, and what a search adds to the model's probabilities."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_jst.compat import import_espnet_tasks
from espnet_jst.errors import CheckpointError, ConfigError
from espnet_jst.keys import read
from espnet_jst.search.conf import DecodingConf
from espnet_jst.search.scorers import LabelScorer, LanguageModel, PhraseBias
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.units import Glued, has_blanks, split_units
from espnet_jst.untrusted.config_file import read_yaml
from espnet_jst.weights import limit_parameters, load_strict, read_weights


class DecodingOptions(DecodingConf):
    """Keyword arguments of `Speech2Text`, and the scorers that they ask for."""

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> DecodingOptions:
        """Keyword arguments -> options; an unknown one is refused with the closest known one."""
        return read(cls, options, "Speech2Text")

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
