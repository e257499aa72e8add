"""The configuration of an input beside speech: what it is made of and where it enters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from espnet_jst import registry
from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, read_table, required
from espnet_jst.text.token_list import token_list_of

WHERE = "model_conf.inputs"
ENCODERS = ("encoder", "hier_encoder")  # in the order of the chain
SPEECH = "speech"
FRAMES = "frames"  # of the frontend, computed before


@dataclass(frozen=True, kw_only=True)
class InputSpec(Conf):
    """One entry of `model_conf.inputs`.

    Attributes:
        name: key of the entry; in a batch it is `input_<name>`.
        conf: the further keys of the entry, for the input's class.
    """

    name: str
    kind: str = required("what it is made of", choices=lambda: registry.names("inputs"))
    into: str = required("encoder that it feeds instead of speech; the heads above it are trained", choices=ENCODERS)
    text: str = key("", "name of its text in a data set; by default that of the entry")
    vocabulary: str | None = key(
        None,
        "token list: src (--src_token_list) or tgt (--token_list); by default src where there is one",
        choices=("src", "tgt"),
    )
    shares: str | None = key(
        None,
        "another input of tokens, whose embedding it enters: units and words through the same parameters "
        "(arXiv:2309.15826). Both have one vocabulary",
    )
    conf: Mapping = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of the input in a batch."""
        return f"input_{self.name}"

    def reaches(self, tap: str) -> bool:
        """Whether a tap is above the encoder that the input enters."""
        return self.into == ENCODERS[0] or tap.split(".")[0] == self.into

    def vocabulary_in(self, lists: Collection[str]) -> str:
        """ "src" or "tgt": which token list the input uses, given those that exist.

        Raises:
            ConfigError: it asks for a list that was not given.
        """
        return token_list_of(f"{WHERE}.{self.name}", self.vocabulary, "src", lists)


def parse_inputs(inputs: object) -> dict[str, InputSpec]:
    """All entries of `model_conf.inputs`; there may be none.

    Raises:
        ConfigError: a key is missing or unknown, or a value cannot be used.
    """
    specs = read_table(inputs, WHERE, _parse)
    for name, spec in specs.items():
        if spec.shares is not None:
            check_choice(spec.shares, set(specs) - {name}, f"{WHERE}.{name}.shares")
            owner = specs[spec.shares]
            if owner.shares is not None:
                raise ConfigError(f"{WHERE}.{name}.shares: {spec.shares!r} has no embedding: name {owner.shares!r}")
            if (spec.into, spec.vocabulary) != (owner.into, owner.vocabulary):
                raise ConfigError(f"{WHERE}.{name}.shares: {spec.shares!r} enters elsewhere, or has other tokens")
    return specs


def reads_text(config: Mapping) -> bool:
    """Whether the model of a configuration is given text; one that was trained on units of speech reads audio."""
    entries = ((config.get("model_conf") or {}).get("inputs") or {}).values()
    units = any(isinstance(entry, Mapping) and entry.get("unit_set") for entry in entries)
    return config.get("input_size") is not None and not units


def _parse(name: str, entry: Mapping, where: str) -> InputSpec:
    if name == SPEECH:
        raise ConfigError(f"{where}: speech is there by itself, give the input another name")
    return registry.read_entry(InputSpec, "inputs", {"text": name, **entry}, where, name=name)
