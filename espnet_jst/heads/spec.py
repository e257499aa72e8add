"""The configuration of one head: what it reads, which lanes it writes, how they are serialized."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from espnet_jst import registry
from espnet_jst.config import check_choice, shown
from espnet_jst.errors import ConfigError
from espnet_jst.keys import Conf, key, read_table, required
from espnet_jst.text.lanes import LANES, Lane
from espnet_jst.text.policies import POLICIES
from espnet_jst.text.tags import SCHEMES
from espnet_jst.text.token_list import token_list_of


@dataclass(frozen=True, kw_only=True)
class HeadSpec(Conf):
    """One entry of `model_conf.heads`.

    Attributes:
        name: key of the entry; its target in a batch is `target_<name>`.
        conf: the further keys of the entry, for the head's class.
        lane_vocabulary: the token list that its lane asks for, of a head that writes one.
    """

    name: str
    kind: str = required("transducer, attention or ctc", choices=lambda: registry.names("heads"))
    lanes: tuple[str, ...] = required("one lane, or several that are serialized into one stream")
    reads: str = key("encoder", "tap that it reads: encoder, hier_encoder, or a lower layer such as encoder.3")
    weight: float = key(1.0, "factor of its loss in the sum; 0 does not train it", low=0, high=1e6)
    vocabulary: str | None = key(
        None,
        "token list: src (--src_token_list) or tgt (--token_list); by default that of its lane where there is one, so "
        "src for the transcript alone",
        choices=("src", "tgt"),
    )
    shares: str | None = key(
        None, "head of the same kind and labels whose parameters these are too, on a tap of as many features"
    )
    policy: str = key(
        "align",
        "serialization of several lanes: align (INTER ALIGN, block), eager, time or inter (arXiv:2307.03354)",
        choices=POLICIES,
    )
    gamma: float = key(0.5, "share of inter; 0 writes the transcript first, 0.5 alternates", low=0, high=1)
    tags: str = key("task", "task (<asr>, <st>), lid (<en>, <de>) or task+lid (<asr:en>, <st:de>)", choices=SCHEMES)
    max_block_words: int = key(0, "a longer block of align is serialized eagerly; 0 is no limit", low=0)
    conf: Mapping = field(default_factory=dict)
    lane_vocabulary: str = "tgt"

    def check(self) -> None:
        """Refuse lanes that no head of the kind can write."""
        if not self.lanes or len(set(self.lanes)) != len(self.lanes):
            raise ConfigError(f"lanes must name each lane once, not {shown(list(self.lanes))}")
        if self.kind == "ctc" and self.serialized:
            raise ConfigError(f"a ctc head writes one lane, not {shown(list(self.lanes))}")

    @property
    def serialized(self) -> bool:
        """Whether several lanes share one stream."""
        return len(self.lanes) > 1

    @property
    def target(self) -> str:
        """Name of the head's target in a batch."""
        return f"target_{self.name}"

    @property
    def writes(self) -> tuple[object, ...]:
        """What its labels depend on: heads that agree in it have one target."""
        serialization = (self.policy, self.gamma, self.tags, self.max_block_words) if self.serialized else ()
        return self.lanes, self.vocabulary or self.lane_vocabulary, *serialization

    @classmethod
    def parse(cls, name: str, entry: Mapping, where: str = "", lanes: Mapping[str, Lane] = LANES) -> HeadSpec:
        """Read one entry of the configuration, `where` it stands; `lanes` are those of the model.

        Raises:
            ConfigError: a key is missing or unknown, or a value cannot be used.
        """
        where = where or f"model_conf.heads.{name}"
        spec = registry.read_entry(cls, "heads", entry, where, name=name)
        for lane in spec.lanes:
            check_choice(lane, lanes, f"{where}.lanes")
        return spec if spec.serialized else replace(spec, lane_vocabulary=lanes[spec.lanes[0]].vocabulary)


def vocabulary_of(spec: HeadSpec, lists: Collection[str]) -> str:
    """ "src" or "tgt": which token list a head uses, given those that exist.

    Raises:
        ConfigError: the head asks for a list that was not given.
    """
    return token_list_of(f"model_conf.heads.{spec.name}", spec.vocabulary, spec.lane_vocabulary, lists)


def parse_heads(heads: Mapping | None, lanes: Mapping[str, Lane] = LANES) -> dict[str, HeadSpec]:
    """All entries of `model_conf.heads`; `lanes` are those that there are (`text.lanes.parse_lanes`).

    Raises:
        ConfigError: there is none, or one of them is wrong.
    """
    if not heads:
        raise ConfigError(
            "model_conf.heads is empty: give at least one head, such as "
            "joint: {kind: transducer, reads: encoder, lanes: [transcript, translation]}"
        )
    specs = read_table(heads, "model_conf.heads", lambda name, entry, where: HeadSpec.parse(name, entry, where, lanes))
    for name, spec in specs.items():
        _check_shared(name, spec, specs)
    if not any(spec.weight for spec in specs.values()):
        raise ConfigError(f"model_conf.heads: {', '.join(specs)}: all have weight 0, so nothing is learnt: weigh one")
    return specs


def _check_shared(name: str, spec: HeadSpec, specs: Mapping[str, HeadSpec]) -> None:
    if spec.shares is None:
        return
    where = f"model_conf.heads.{name}"
    check_choice(spec.shares, set(specs) - {name}, f"{where}.shares")
    owner = specs[spec.shares]
    if owner.shares is not None:
        raise ConfigError(f"{where}.shares: {spec.shares!r} has no parameters of its own: name {owner.shares!r}")
    if (spec.kind, spec.writes) != (owner.kind, owner.writes):
        raise ConfigError(f"{where}.shares: {spec.shares!r} is of another kind, or writes other labels")
    if spec.conf:
        raise ConfigError(
            f"{where}: {', '.join(spec.conf)}: what shares the parameters of {spec.shares!r} has its keys"
        )


@dataclass(frozen=True, kw_only=True)
class ModelConf(Conf):
    """What stands on the encoders."""

    heads: Mapping | None = key(None, "what is predicted: name: {kind: transducer, lanes: [transcript, translation]}")
    lanes: Mapping | None = key(None, "further lanes: name: {like: transcript, speaker: B}")
    searches: Mapping | None = key(None, "how heads are decoded: name: {heads: [head], second_pass_of: other}")
    hier_reads: str = key("encoder", "tap that hier_encoder reads")
    hier_gradient: float = key(
        1.0,
        "factor on the gradient that hier_encoder sends into that tap: 1 trains encoder for both (arXiv:2506.02157), 0 "
        "for its own heads alone",
        low=0,
        high=1,
    )
    tgt_langs: Mapping | None = key(None, "languages to translate into: {at: hier_encoder, codes: [de, es]}")
    inputs: Mapping | None = key(None, "inputs beside speech: name: {kind: tokens, into: hier_encoder, repeat: 4}")
    regularizers: Mapping | None = key(None, "further terms of the training loss: name: {kind: ..., weight: 0.1}")
    extract_feats_in_collect_stats: bool = key(True, "ESPnet's; features are made in the model in any case")
