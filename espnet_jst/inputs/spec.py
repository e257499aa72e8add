"""The inputs beside speech: `model_conf.inputs`, what their entries mean and the modules that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from espnet_jst import registry
from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.inputs.interface import Input
from espnet_jst.keys import Conf, key, keys_of, kind_of, read, read_table, required

WHERE = "model_conf.inputs"
ENCODERS = ("encoder", "hier_encoder")  # in the order of the chain
SPEECH = "speech"


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
    conf: Mapping = field(default_factory=dict)

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


def parse_inputs(inputs: object) -> dict[str, InputSpec]:
    """All entries of `model_conf.inputs`; there may be none.

    Raises:
        ConfigError: a key is missing or unknown, or a value cannot be used.
    """
    return read_table(inputs, WHERE, _parse)


def vocabularies_of(specs: Mapping[str, InputSpec], vocab_sizes: Mapping[str, int]) -> dict[str, str]:
    """Which token list each input uses; see `InputSpec.vocabulary_in`."""
    return {name: spec.vocabulary_in(vocab_sizes) for name, spec in specs.items()}


def _parse(name: str, entry: Mapping, where: str) -> InputSpec:
    if name == SPEECH:
        raise ConfigError(f"{where}: speech is there by itself, give the input another name")
    own = registry.conf_of("inputs", kind_of(entry, registry.names("inputs"), where))
    conf = {key: value for key, value in entry.items() if key not in keys_of(InputSpec)}
    spec = read(InputSpec, {"text": name, **entry}, where, beside=keys_of(own), name=name, conf=conf)
    read(own, conf, where)
    return spec


def build_inputs(
    specs: Mapping[str, InputSpec], vocab_sizes: Mapping[str, int], feeds: Mapping[str, tuple[int, float]]
) -> dict[str, Input]:
    """One module an input.

    Args:
        specs: parsed entries of `model_conf.inputs`.
        vocab_sizes: size of the token list "tgt" and, where there is one, "src".
        feeds: for each encoder of the model, features and frame shift in seconds of the tap that it reads.

    Raises:
        ConfigError: the model has no such encoder or token list.
    """
    modules: dict[str, Input] = {}
    for name, spec in specs.items():
        check_choice(spec.into, feeds, f"{WHERE}.{name}.into")
        size, shift_s = feeds[spec.into]
        vocab_size = vocab_sizes[spec.vocabulary_in(vocab_sizes)]
        fixed = {"key": spec.key, "into": spec.into, "vocab_size": vocab_size, "size": size, "shift_s": shift_s}
        modules[name] = registry.load("inputs", spec.kind)(**fixed, **spec.conf)
    return modules
