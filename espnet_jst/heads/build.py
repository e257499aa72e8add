"""From `model_conf.heads` to modules."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

from torch import nn

from espnet_jst.config import check_choice, check_keys
from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.token_marks import TokenLists

HEADS: dict[str, type[nn.Module]] = {"transducer": TransducerHead, "ctc": CTCHead}


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


def token_lists(specs: Mapping[str, HeadSpec], lists: Mapping[str, Sequence[str]]) -> TokenLists:
    """What the weights remember of the token lists that the heads use.

    Args:
        specs: parsed entries of `model_conf.heads`.
        lists: tokens of "tgt" and, where there is one, "src".

    Raises:
        ConfigError: a head asks for a list that was not given.
    """
    sizes = {name: len(tokens) for name, tokens in lists.items()}
    heads = {name: vocabulary_of(spec, sizes) for name, spec in specs.items()}
    return TokenLists({name: tokens for name, tokens in lists.items() if name in heads.values()}, heads)


def build_heads(
    specs: Mapping[str, HeadSpec], tap_sizes: Mapping[str, int], vocab_sizes: Mapping[str, int]
) -> nn.ModuleDict:
    """One module a head.

    Args:
        specs: parsed entries of `model_conf.heads`.
        tap_sizes: feature size of every tap that the encoders offer.
        vocab_sizes: size of the token list "tgt" and, where there is one, "src".

    Raises:
        ConfigError: an unknown tap, key or vocabulary.
    """
    heads = nn.ModuleDict()
    for name, spec in specs.items():
        where = f"model_conf.heads.{name}"
        check_choice(spec.reads, tap_sizes, f"{where}.reads")
        known = set(inspect.signature(HEADS[spec.kind].__init__).parameters) - {"self", "encoder_size", "vocab_size"}
        check_keys(spec.conf, known, where)
        size = vocab_sizes[vocabulary_of(spec, vocab_sizes)]
        heads[name] = HEADS[spec.kind](encoder_size=tap_sizes[spec.reads], vocab_size=size, **spec.conf)
    return heads
