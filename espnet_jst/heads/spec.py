"""The configuration of one head: what it reads, which lanes it writes, how they are serialized."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import get_type_hints

from torch import nn

from espnet_jst.config import check_choice, check_keys, shown
from espnet_jst.errors import ConfigError
from espnet_jst.limits import check_values
from espnet_jst.text.lanes import LANES

KINDS = ("transducer", "ctc")
POLICIES = ("align", "eager", "time", "inter")
TAG_SCHEMES = ("task", "lid", "task+lid")
MAX_HEADS = 16
_NAME = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """One entry of `model_conf.heads`.

    Attributes:
        name: key of the entry; its target in a batch is `target_<name>`.
        kind: "transducer" or "ctc".
        lanes: one lane, or several that are serialized into one stream.
        reads: tap that the head reads: "encoder", "hier_encoder", or a lower layer such as "encoder.3".
        weight: factor of the head's loss in the sum.
        vocabulary: "tgt" (`--token_list`) or "src" (`--src_token_list`); by default "src" for a head that writes the
            transcript alone where a source token list is given, else "tgt".
        policy: serialization of several lanes: "align" (INTER ALIGN, block), "eager", "time" or "inter"
            (arXiv:2307.03354).
        gamma: share of "inter"; 0 writes the transcript first, 0.5 alternates.
        tags: "task" (<asr>, <st>), "lid" (<en>, <de>) or "task+lid" (<asr:en>, <st:de>).
        max_block_words: a longer block of "align" is serialized eagerly; 0 is no limit.
        conf: the remaining keys, for the head's class.
    """

    name: str
    kind: str
    lanes: tuple[str, ...]
    reads: str = "encoder"
    weight: float = 1.0
    vocabulary: str | None = None
    policy: str = "align"
    gamma: float = 0.5
    tags: str = "task"
    max_block_words: int = 0
    conf: Mapping = field(default_factory=dict)

    @property
    def serialized(self) -> bool:
        """Whether several lanes share one stream."""
        return len(self.lanes) > 1

    @property
    def target(self) -> str:
        """Name of the head's target in a batch."""
        return f"target_{self.name}"

    @classmethod
    def parse(cls, name: str, entry: Mapping) -> HeadSpec:
        """Read one entry of the configuration.

        Raises:
            ConfigError: a key is missing or unknown, or a value is not one of the choices.
        """
        where = f"model_conf.heads.{name}"
        if not isinstance(entry, Mapping):
            raise ConfigError(f"{where} must be a mapping with at least kind and lanes, not {shown(entry)}")
        for key in ("kind", "lanes"):
            if key not in entry:
                raise ConfigError(f"{where}: {key!r} is missing")
        own = {f.name for f in fields(cls)} - {"name", "conf"}
        types = {**get_type_hints(cls), "lanes": list[str]}
        check_values({key: value for key, value in entry.items() if key in own}, where, types)
        spec = cls(
            name=name,
            **{**{k: v for k, v in entry.items() if k in own}, "lanes": tuple(entry["lanes"])},
            conf={k: v for k, v in entry.items() if k not in own},
        )
        check_choice(spec.kind, KINDS, f"{where}.kind")
        check_choice(spec.policy, POLICIES, f"{where}.policy")
        check_choice(spec.tags, TAG_SCHEMES, f"{where}.tags")
        if spec.vocabulary is not None:
            check_choice(spec.vocabulary, ("src", "tgt"), f"{where}.vocabulary")
        for lane in spec.lanes:
            check_choice(lane, LANES, f"{where}.lanes")
        if not spec.lanes or len(set(spec.lanes)) != len(spec.lanes):
            raise ConfigError(f"{where}.lanes must name each lane once, not {list(spec.lanes)}")
        if spec.kind == "ctc" and spec.serialized:
            raise ConfigError(f"{where}: a ctc head writes one lane, not {list(spec.lanes)}")
        return spec


def vocabulary_of(spec: HeadSpec, vocab_sizes: Mapping[str, int]) -> str:
    """ "src" or "tgt": which token list a head uses, given those that exist.

    Raises:
        ConfigError: the head asks for a list that was not given.
    """
    name = spec.vocabulary or ("src" if spec.lanes == ("transcript",) and "src" in vocab_sizes else "tgt")
    if name not in vocab_sizes:
        raise ConfigError(
            f"model_conf.heads.{spec.name}: vocabulary {name!r} needs --src_token_list, which is not given"
        )
    return name


def parse_heads(heads: Mapping | None) -> dict[str, HeadSpec]:
    """All entries of `model_conf.heads`.

    Raises:
        ConfigError: there is none, or one of them is wrong.
    """
    if not heads:
        raise ConfigError(
            "model_conf.heads is empty: give at least one head, such as "
            "joint: {kind: transducer, reads: encoder, lanes: [transcript, translation]}"
        )
    if not isinstance(heads, Mapping) or len(heads) > MAX_HEADS:
        raise ConfigError(f"model_conf.heads is {shown(heads)}: give a mapping of names to heads, at most {MAX_HEADS}")
    for name in heads:
        # The name is that of a module, too, and must not be one of what every module has.
        if not isinstance(name, str) or not _NAME.fullmatch(name) or hasattr(nn.ModuleDict(), name):
            raise ConfigError(f"model_conf.heads: {shown(name)} cannot name a head: use letters, digits and '_'")
    return {name: HeadSpec.parse(name, entry) for name, entry in heads.items()}


def check_model_conf(model_conf: Mapping) -> None:
    """Refuse keys of `model_conf` that the model does not know."""
    check_keys(model_conf, MODEL_CONF_KEYS, "model_conf")


MODEL_CONF_KEYS = ("heads", "hier_reads", "inputs", "extract_feats_in_collect_stats")
