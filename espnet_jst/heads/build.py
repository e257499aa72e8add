"""From `model_conf.heads` to modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.heads.interface import Head
from espnet_jst.heads.spec import HeadSpec, vocabulary_of
from espnet_jst.registry import load
from espnet_jst.token_marks import TokenLists


def token_lists(
    specs: Mapping[str, HeadSpec], lists: Mapping[str, Sequence[str]], inputs: Mapping[str, str] | None = None
) -> TokenLists:
    """What the weights remember of the token lists that heads and inputs use.

    Args:
        specs: parsed entries of `model_conf.heads`.
        lists: tokens of "tgt" and, where there is one, "src".
        inputs: vocabulary of each input of tokens.

    Raises:
        ConfigError: a head asks for a list that was not given.
    """
    used = {f"heads.{name}": vocabulary_of(spec, lists) for name, spec in specs.items()}
    used |= {f"inputs.{name}": vocabulary for name, vocabulary in (inputs or {}).items()}
    return TokenLists({name: tokens for name, tokens in lists.items() if name in used.values()}, used)


def build_heads(
    specs: Mapping[str, HeadSpec], tap_sizes: Mapping[str, int], vocab_sizes: Mapping[str, int]
) -> nn.ModuleDict:
    """One module a head that has parameters of its own, from the features of every tap and the sizes of the token
    lists, "tgt" and perhaps "src".

    Raises:
        ConfigError: an unknown tap, key or vocabulary.
    """
    heads = nn.ModuleDict()
    for name, spec in specs.items():
        check_choice(spec.reads, tap_sizes, f"model_conf.heads.{name}.reads")
        if spec.shares is not None:
            owner = specs[spec.shares]
            if tap_sizes[owner.reads] != tap_sizes[spec.reads]:
                raise ConfigError(
                    f"model_conf.heads.{name}.shares: {spec.shares!r} reads {tap_sizes[owner.reads]} features of "
                    f"{owner.reads}, and {spec.reads} has {tap_sizes[spec.reads]}"
                )
            continue
        sizes = {"encoder_size": tap_sizes[spec.reads], "vocab_size": vocab_sizes[vocabulary_of(spec, vocab_sizes)]}
        heads[name] = load("heads", spec.kind)(**sizes, **spec.conf)
    return heads


def by_name(heads: nn.ModuleDict, specs: Mapping[str, HeadSpec]) -> dict[str, Head]:
    """The module of every head, also of those that share another's."""
    return {name: heads[spec.shares or name] for name, spec in specs.items()}  # type: ignore[misc]
