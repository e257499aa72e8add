"""Whether a configuration has a head of the sizes of a Whisper's decoder, and what that begins with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_jst.config import read_json, shown
from espnet_jst.errors import ConfigError
from espnet_jst.heads.conf import AttentionHeadConf
from espnet_jst.heads.spec import HeadSpec, parse_heads
from espnet_jst.hub.mbart.folder import WEIGHTS
from espnet_jst.keys import read
from espnet_jst.text.byte_pieces import TOKENIZER
from espnet_jst.text.lanes import TRANSCRIPT, parse_lanes

START, PLAIN = "<|startoftranscript|>", "<|notimestamps|>"
SIZES = ("d_model", "decoder_layers", "decoder_attention_heads", "decoder_ffn_dim", "max_target_positions")
ENGLISH = "en"  # what Whisper translates into


def read_config(folder: str | Path) -> dict[str, Any]:
    """The sizes of a Whisper.

    Raises:
        ConfigError: the folder has none.
    """
    conf = read_json(Path(folder) / "config.json")
    if conf.get("model_type") != "whisper":
        kind = f"is of the kind {shown(conf['model_type'])}" if conf.get("model_type") else "has no config.json"
        raise ConfigError(f"{folder}: the folder {kind}: give that of a Whisper, as transformers saves it")
    for name in (*SIZES, "vocab_size"):
        if type(conf.get(name)) is not int or not 0 < conf[name] < 2**24:
            raise ConfigError(f"{folder}/config.json: {name} is {shown(conf.get(name))}: fetch the file again")
    return conf


def files_of(folder: str | Path) -> list[Path]:
    """The files of a folder that count by their contents; those that are there."""
    return [file for name in ("config.json", TOKENIZER, *WEIGHTS) if (file := Path(folder) / name).is_file()]


def begin_with(lane: str, src_lang: str, tgt_lang: str) -> tuple[str, ...]:
    """The symbols that Whisper begins with for a lane, such as `<|startoftranscript|><|es|><|translate|>`.

    It has learnt to translate into English alone; into another language it is asked to transcribe that.
    """
    if lane == TRANSCRIPT:
        return START, f"<|{src_lang}|>", "<|transcribe|>", PLAIN
    if tgt_lang == ENGLISH:
        return START, f"<|{src_lang}|>", "<|translate|>", PLAIN
    return START, f"<|{tgt_lang}|>", "<|transcribe|>", PLAIN


def find_head(config: Mapping[str, Any], where: str) -> HeadSpec:
    """The head of a configuration that a Whisper gives the weights of.

    Args:
        where: the configuration, for messages.

    Raises:
        ConfigError: there is not one.
    """
    model_conf = config.get("model_conf") or {}
    heads = [
        spec
        for spec in parse_heads(model_conf.get("heads"), parse_lanes(model_conf.get("lanes"))).values()
        if spec.kind == "attention" and spec.conf.get("style") == "whisper" and spec.shares is None
    ]
    if len(heads) != 1 or heads[0].serialized:
        raise ConfigError(
            f"{where}: the decoder of a Whisper is the start of one head {{kind: attention, style: whisper}} of one "
            f"lane; there are {len(heads)} of the style"
        )
    return heads[0]


def check_sizes(spec: HeadSpec, folder: str | Path, where: str) -> None:
    """Refuse a head that has other sizes than a Whisper.

    Raises:
        ConfigError: names each with the value that it must have.
    """
    sizes, part = read_config(folder), f"model_conf.heads.{spec.name}"
    own = read(AttentionHeadConf, spec.conf, part)
    wanted = {
        "layers": sizes["decoder_layers"],
        "heads": sizes["decoder_attention_heads"],
        "feed_forward_size": sizes["decoder_ffn_dim"],
        "positions": sizes["max_target_positions"],
        "activation": sizes.get("activation_function", "gelu"),
        "starts": len(begin_with(TRANSCRIPT, "", "")),
    }
    wrong = [
        f"{key} {value!r}, not {found!r}" for key, value in wanted.items() if (found := getattr(own, key)) != value
    ]
    if wrong:
        raise ConfigError(f"{where}: {part} has not the sizes of {folder}, which asks for " + "; ".join(wrong))


def init_param(spec: HeadSpec, file: Path) -> str:
    """What `--init_param` is to say for a file of `write_initial_head`."""
    return f"{file}:heads.{spec.name}:heads.{spec.name}"
