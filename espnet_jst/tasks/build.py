"""From the values of a configuration to modules."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile

from espnet_jst.config import check_choice, check_keys, closest
from espnet_jst.encoders.interface import StreamingEncoder
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.heads.build import build_heads, token_lists
from espnet_jst.heads.spec import HeadSpec, check_model_conf, parse_heads
from espnet_jst.model import JSTModel
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.tokenizer import Tokenizer


def construct(choices: Any, name: str | None, conf: Mapping | None, **fixed: Any) -> Any:
    """An object of a registered class, or None where the name is None.

    Args:
        choices: ESPnet's ClassChoices.
        name: registered name.
        conf: `<choice>_conf`.
        fixed: further arguments, those of them that the class takes.

    Raises:
        ConfigError: the name or a key of `conf` is unknown, or a key is missing; the message names the closest known.
    """
    if name is None:
        return None
    check_choice(name, choices.classes, f"--{choices.name}")
    target = choices.classes[name]
    where = f"{choices.name}_conf of {name}"
    parameters = inspect.signature(target.__init__).parameters
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = {key for key, value in parameters.items() if value.kind not in variable}
    own = named - {"self"} - set(fixed)
    conf = dict(conf or {})
    if not any(value.kind is value.VAR_KEYWORD for value in parameters.values()):
        check_keys(conf, own, where)
    for key in own:
        if parameters[key].default is inspect.Parameter.empty and key not in conf:
            raise ConfigError(f"{where}: {key!r} is missing" + _missing_hint(key))
    try:
        return target(**{key: value for key, value in fixed.items() if key in named}, **conf)
    except (TypeError, ValueError, AssertionError, FileNotFoundError) as error:
        raise ConfigError(f"{where} cannot be used: {error}") from error


def build_model(args: argparse.Namespace, choices: Mapping[str, Any]) -> JSTModel:
    """The model of a configuration.

    Args:
        args: values of the command line or of config.yaml; token lists become lists of tokens in it, as ESPnet does.
        choices: ClassChoices by name.

    Raises:
        ConfigError: a name, key or value cannot be used.
    """
    model_conf = args.model_conf or {}
    check_model_conf(model_conf)
    specs = heads_of(args)
    lists = lists_of(args)
    args.token_list, vocab_sizes = lists["tgt"], {name: len(tokens) for name, tokens in lists.items()}
    if "src" in lists:
        args.src_token_list = lists["src"]

    def make(name: str, **fixed: Any) -> Any:
        return construct(choices[name], getattr(args, name, None), getattr(args, f"{name}_conf", None), **fixed)

    frontend = _stepping(make("frontend"), args.frontend, "frontend")
    # Statistics are what the normalization is made from: it cannot exist while they are collected.
    normalize = None if getattr(args, "collect_stats", False) else make("normalize")
    if normalize is not None and type(normalize).__name__ == "UtteranceMVN":
        raise ConfigError(
            "normalize: utterance_mvn takes the mean of the whole utterance, which a stream has not heard yet: "
            "use running_mvn or global_mvn"
        )
    encoder = _streaming(make("encoder", input_size=frontend.output_size()), args.encoder)
    tap_sizes = _tap_sizes("encoder", encoder)
    hier_encoder, hier_reads = None, model_conf.get("hier_reads", "encoder")
    if getattr(args, "hier_encoder", None) is not None:
        check_choice(hier_reads, tap_sizes, "model_conf.hier_reads")
        hier_encoder = _streaming(make("hier_encoder", input_size=tap_sizes[hier_reads]), args.hier_encoder)
        tap_sizes |= _tap_sizes("hier_encoder", hier_encoder)
    return JSTModel(
        frontend=frontend,
        specaug=make("specaug"),
        normalize=normalize,
        encoder=encoder,
        hier_encoder=hier_encoder,
        heads=build_heads(specs, tap_sizes, vocab_sizes),
        specs=specs,
        hier_reads=hier_reads,
        token_lists=token_lists(specs, lists),
    )


def heads_of(args: argparse.Namespace) -> dict[str, HeadSpec]:
    """The parsed entries of `model_conf.heads`."""
    return parse_heads((args.model_conf or {}).get("heads"))


def lists_of(args: argparse.Namespace) -> dict[str, list[str]]:
    """The tokens of "tgt" and, where there is a source token list, of "src"."""
    lists = {"tgt": tokens_of(args.token_list, "token_list")}
    if getattr(args, "src_token_list", None):
        lists["src"] = tokens_of(args.src_token_list, "src_token_list")
    return lists


def tokens_of(tokens: str | Path | Sequence[str] | None, option: str) -> list[str]:
    """The tokens of a list or of the file that names them."""
    if tokens is None:
        raise ConfigError(f"--{option} is missing: give the token list that stage 5 writes")
    return read_tokens(tokens) if isinstance(tokens, (str, Path)) else list(tokens)


def build_tokenizers(args: argparse.Namespace) -> dict[str, Tokenizer]:
    """Tokenizers of the vocabularies "tgt" and, where there is a source token list, "src"."""
    tokenizers = {}
    for name, prefix in (("tgt", ""), ("src", "src_")):
        if name == "src" and not getattr(args, "src_token_list", None):
            continue
        tokens = tokens_of(getattr(args, f"{prefix}token_list"), f"{prefix}token_list")
        model = getattr(args, f"{prefix}bpemodel", None)
        tokenizers[name] = Tokenizer(tokens, bpemodel=model, token_type=getattr(args, f"{prefix}token_type"))
    return tokenizers


def check_rate(args: argparse.Namespace, files: Sequence[Sequence[str]]) -> None:
    """Refuse audio at another rate than the model's: ESPnet only checks that all files have the same.

    Args:
        args: for `frontend_conf.fs`, where the frontend has such a key.
        files: ESPnet's (file, name, type); the first recording of each list of sound files is looked at.

    Raises:
        DataError: names the recording and both rates.
    """
    fs = (args.frontend_conf or {}).get("fs")
    for path, name, kind in files:
        if fs is None or name != "speech" or kind != "sound":
            continue
        with open(path, encoding="utf-8") as lines:
            audio = lines.readline().strip().partition(" ")[2]
        if Path(audio).is_file() and (rate := soundfile.info(audio).samplerate) != fs:
            raise DataError(
                f"{audio} is at {rate} Hz and the model works at {fs} Hz (frontend_conf.fs): "
                f"stage 3 resamples with --fs {fs}"
            )


def _streaming(encoder: Any, name: str) -> StreamingEncoder:
    if not isinstance(encoder, StreamingEncoder):
        from espnet_jst.registry import TABLE

        known = ", ".join(TABLE["encoder"])
        raise ConfigError(
            f"encoder {name!r}: {type(encoder).__name__} has no taps and no step, which JSTModel needs: use one of "
            f"{known}{closest(name, TABLE['encoder'])}"
        )
    return encoder


def _stepping(module: Any, name: str, choice: str) -> Any:
    missing = [key for key in ("fs", "hop_s", "init_state", "step") if not hasattr(module, key)]
    if missing:
        from espnet_jst.registry import TABLE

        raise ConfigError(
            f"{choice} {name!r}: {type(module).__name__} has no {', '.join(missing)}, which a stream needs: use "
            f"{', '.join(TABLE[choice])}{closest(str(name), TABLE[choice])}"
        )
    return module


def _tap_sizes(name: str, encoder: StreamingEncoder) -> dict[str, int]:
    return {f"{name}.{tap}" if tap else name: size for tap, size in encoder.tap_sizes.items()}


def _missing_hint(key: str) -> str:
    return ": give feats_stats.npz, which stage 10 writes" if key == "stats_file" else ""
