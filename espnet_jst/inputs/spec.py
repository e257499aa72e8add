"""The inputs beside speech: `model_conf.inputs`, what their entries mean and the modules that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import get_type_hints

from torch import nn

from espnet_jst.config import check_choice, check_keys, shown
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.tokens import TokenInput
from espnet_jst.limits import check_values

KINDS: Mapping[str, type[TokenInput]] = {"tokens": TokenInput}
ENCODERS = ("encoder", "hier_encoder")  # in the order of the chain
SPEECH = "speech"
MAX_INPUTS = 8
MAX_REPEAT = 64
_NAME = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One entry of `model_conf.inputs`.

    Attributes:
        name: key of the entry; in a batch it is `input_<name>`.
        kind: "tokens".
        into: the encoder that it feeds instead of speech, "encoder" or "hier_encoder"; the heads above it are trained.
        text: name of the text in a data set; by default that of the entry.
        vocabulary: "tgt" (`--token_list`) or "src" (`--src_token_list`); by default "src" where there is one.
        repeat: frames of a token.
    """

    name: str
    kind: str
    into: str
    text: str = ""
    vocabulary: str | None = None
    repeat: int = 1

    @property
    def key(self) -> str:
        """Name of the input in a batch."""
        return f"input_{self.name}"

    def reaches(self, tap: str) -> bool:
        """Whether a tap is above the encoder that the input enters."""
        return self.into == ENCODERS[0] or tap.split(".")[0] == self.into

    def vocabulary_in(self, vocab_sizes: Mapping[str, int]) -> str:
        """ "src" or "tgt": which token list the input uses, given those that exist.

        Raises:
            ConfigError: it asks for a list that was not given.
        """
        name = self.vocabulary or ("src" if "src" in vocab_sizes else "tgt")
        if name not in vocab_sizes:
            raise ConfigError(
                f"model_conf.inputs.{self.name}: vocabulary {name!r} needs --src_token_list, which is not given"
            )
        return name


def parse_inputs(inputs: Mapping | None) -> dict[str, InputSpec]:
    """All entries of `model_conf.inputs`; there may be none.

    Raises:
        ConfigError: a key is missing or unknown, or a value is not one of the choices.
    """
    inputs = inputs or {}
    if not isinstance(inputs, Mapping) or len(inputs) > MAX_INPUTS:
        raise ConfigError(f"model_conf.inputs is {shown(inputs)}: give a mapping of names to inputs")
    return {name: _parse(name, entry) for name, entry in inputs.items()}


def vocabularies_of(specs: Mapping[str, InputSpec], vocab_sizes: Mapping[str, int]) -> dict[str, str]:
    """Which token list each input uses; see `InputSpec.vocabulary_in`."""
    return {name: spec.vocabulary_in(vocab_sizes) for name, spec in specs.items()}


def _parse(name: str, entry: Mapping) -> InputSpec:
    where = f"model_conf.inputs.{name}"
    if not isinstance(name, str) or not _NAME.fullmatch(name) or hasattr(nn.ModuleDict(), name) or name == SPEECH:
        raise ConfigError(f"model_conf.inputs: {shown(name)} cannot name an input: use letters, digits and '_'")
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} is {shown(entry)}: give a mapping such as {{kind: tokens, into: hier_encoder}}")
    check_keys(entry, {f.name for f in fields(InputSpec)} - {"name"}, where)
    for key in ("kind", "into"):
        if key not in entry:
            raise ConfigError(f"{where}: {key!r} is missing")
    check_values(entry, where, get_type_hints(InputSpec))
    spec = InputSpec(**{"text": name, **entry, "name": name})
    check_choice(spec.kind, KINDS, f"{where}.kind")
    check_choice(spec.into, ENCODERS, f"{where}.into")
    if spec.vocabulary is not None:
        check_choice(spec.vocabulary, ("src", "tgt"), f"{where}.vocabulary")
    if not 1 <= spec.repeat <= MAX_REPEAT:
        raise ConfigError(f"{where}.repeat is {spec.repeat}: give a number from 1 to {MAX_REPEAT}")
    return spec


def build_inputs(
    specs: Mapping[str, InputSpec], vocab_sizes: Mapping[str, int], feeds: Mapping[str, tuple[int, float]]
) -> dict[str, TokenInput]:
    """One module an input.

    Args:
        specs: parsed entries of `model_conf.inputs`.
        vocab_sizes: size of the token list "tgt" and, where there is one, "src".
        feeds: for each encoder of the model, features and frame shift in seconds of the tap that it reads.

    Raises:
        ConfigError: the model has no such encoder or token list.
    """
    modules = {}
    for name, spec in specs.items():
        check_choice(spec.into, feeds, f"model_conf.inputs.{name}.into")
        size, shift_s = feeds[spec.into]
        vocab_size = vocab_sizes[spec.vocabulary_in(vocab_sizes)]
        modules[name] = KINDS[spec.kind](
            key=spec.key, into=spec.into, vocab_size=vocab_size, size=size, shift_s=shift_s, repeat=spec.repeat
        )
    return modules
