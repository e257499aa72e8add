"""Whether a configuration has the sizes of an mBART."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_jst.encoders.conf import MBartEncoderConf
from espnet_jst.errors import ConfigError
from espnet_jst.heads.conf import AttentionHeadConf
from espnet_jst.heads.spec import parse_heads, vocabulary_of
from espnet_jst.hub.mbart.folder import MBartFolder
from espnet_jst.inputs.spec import ENCODERS, parse_inputs
from espnet_jst.keys import read
from espnet_jst.text.lanes import parse_lanes


def check_sizes(
    config: Mapping[str, Any], mbart: MBartFolder, *, src_lang: str, tgt_lang: str, where: str
) -> tuple[str, str, str]:
    """The parts of a configuration that an mBART gives the weights of.

    Args:
        where: the configuration, for messages.

    Returns:
        The attention head, its token list ("tgt" or "src"), and the input that has the embedding.

    Raises:
        ConfigError: a part is missing, or has other sizes; names each with the value that it must have.
    """
    if config.get("encoder") != "mbart":
        raise ConfigError(f"{where}: encoder is {config.get('encoder')}, and --mbart gives weights to encoder: mbart")
    model_conf = config.get("model_conf") or {}
    heads = {
        name: spec
        for name, spec in parse_heads(model_conf.get("heads"), parse_lanes(model_conf.get("lanes"))).items()
        if spec.kind == "attention" and spec.conf.get("style") == "mbart" and spec.reads == ENCODERS[0]
    }
    inputs = [
        name
        for name, spec in parse_inputs(model_conf.get("inputs")).items()
        if spec.shares is None and spec.into == ENCODERS[0]
    ]
    if len(heads) != 1 or len(inputs) != 1:
        raise ConfigError(
            f"{where}: --mbart gives weights to one head {{kind: attention, style: mbart, reads: encoder}} and one "
            f"input {{kind: tokens, into: encoder}}; there are {len(heads)} and {len(inputs)} of them"
        )
    [(name, spec)], [reader] = heads.items(), inputs
    own, before_after = mbart.conf, mbart.source_rows(src_lang)
    common = {
        "activation": own.get("activation_function", "gelu"),
        "positions": own["max_position_embeddings"],
        "scale_embedding": bool(own.get("scale_embedding", False)),
    }
    wanted = {
        "encoder_conf": common
        | {"size": own["d_model"], **_sizes(own, "encoder")}
        | {"before": len(before_after[0]), "after": len(before_after[1])},
        f"model_conf.heads.{name}": common | _sizes(own, "decoder") | {"starts": len(mbart.target_rows(tgt_lang))},
        "": {"input_size": own["d_model"]},
    }
    given: dict[str, object] = {
        "encoder_conf": read(MBartEncoderConf, config.get("encoder_conf"), "encoder_conf of mbart"),
        f"model_conf.heads.{name}": read(AttentionHeadConf, spec.conf, f"model_conf.heads.{name}"),
    }
    wrong = [
        f"{part}{'.' if part else ''}{key} {value!r}, not {found!r}"
        for part, values in wanted.items()
        for key, value in values.items()
        if (found := getattr(given[part], key) if part else config.get(key)) != value
    ]
    if wrong:
        raise ConfigError(f"{where} has not the sizes of {mbart.path}, which asks for " + "; ".join(wrong))
    lists = ("tgt", "src") if config.get("src_token_list") else ("tgt",)
    return name, vocabulary_of(spec, lists), reader


def _sizes(conf: Mapping[str, Any], side: str) -> dict[str, Any]:
    return {
        "layers": conf[f"{side}_layers"],
        "heads": conf[f"{side}_attention_heads"],
        "feed_forward_size": conf[f"{side}_ffn_dim"],
    }
