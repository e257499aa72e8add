"""What the arguments of a training say, from the command line or from config.yaml: parsed and checked."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_jst.config import shown
from espnet_jst.data import audio_file
from espnet_jst.data.conf import PreprocessorConf
from espnet_jst.encoders.conf import TargetLanguagesConf
from espnet_jst.errors import CheckpointError, ConfigError, DataError
from espnet_jst.heads.build import token_lists
from espnet_jst.heads.spec import HeadSpec, ModelConf, parse_heads
from espnet_jst.inputs import channels
from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.inputs.spec import InputSpec, parse_inputs
from espnet_jst.keys import read
from espnet_jst.registry import PRETRAINED, conf_of, keys_of_class, names
from espnet_jst.regularizers.build import parse_regularizers
from espnet_jst.search.spec import parse_searches
from espnet_jst.text.lanes import parse_lanes
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.token_marks import TokenLists
from espnet_jst.training.rates import parse_factors

MAX_TOKENS, MAX_TOKEN_BYTES = 200_000, 2**24


def check_keys_of(args: argparse.Namespace) -> None:
    """Refuse what no part of a training knows or can use, before anything is read or built.

    Raises:
        ConfigError: names the part, the key, and the closest known one or what the value may be.
    """
    from espnet2.tasks import abs_task

    model_conf = args.model_conf or {}
    parse_searches(heads_of(args), model_conf.get("searches"))
    inputs_of(args)
    tgt_langs_of(args)
    parse_factors(args.lr_factors)
    parse_regularizers(model_conf.get("regularizers"))
    read(PreprocessorConf, args.preprocessor_conf, "preprocessor_conf")
    not_made = ["normalize"] if args.collect_stats else []  # which is made from the statistics, later
    not_made += [] if args.input_size is None else ["frontend", "specaug", "normalize"]
    for choice in ("frontend", "specaug", "normalize", "encoder", "hier_encoder"):
        name = getattr(args, choice)
        if choice not in not_made and name in names(choice):  # else `construct` says what is wrong with it
            read(conf_of(choice, name), getattr(args, f"{choice}_conf"), f"{choice}_conf of {name}")
    for choice, classes in (("optim", abs_task.optim_classes), ("scheduler", abs_task.scheduler_classes)):
        name = getattr(args, choice)
        if name is not None:  # one of ESPnet's, too: they do arithmetic and nothing else
            conf = conf_of(choice, name) if name in names(choice) else keys_of_class(classes[name])
            read(conf, getattr(args, f"{choice}_conf"), f"{choice}_conf of {name}")


def loaded_arguments(values: Mapping[str, Any], where: str | Path) -> argparse.Namespace:
    """The arguments of a trained model from what its configuration holds.

    Raises:
        CheckpointError: it is the configuration of something else.
    """
    model_conf = values.get("model_conf")
    if "decoder" in values or not isinstance(model_conf, Mapping) or not model_conf.get("heads"):
        raise CheckpointError(f"{where} is not a configuration of JSTTask: it has no model_conf.heads")
    heard = "frontend" if values.get("input_size") is None else "input_size"
    for key in (heard, "encoder", "token_list"):
        if values.get(key) is None:
            raise CheckpointError(f"{where} has no {key}, without which there is no model")
    for choice in PRETRAINED:
        name, given = values.get(choice), values.get(f"{choice}_conf") or {}
        for key in conf_of(choice, name).written if name in names(choice) else ():
            if key not in given:  # else it would be built from whatever files a stranger names
                raise CheckpointError(f"{where}: {choice}_conf has no {key}, which a training writes: train it again")
    for key in ("token_type", "src_token_type", "bpemodel", "src_bpemodel"):
        if not isinstance(values.get(key), (str, type(None))):
            raise CheckpointError(f"{where}: {key} is {shown(values[key])}: it must be text")
    read(PreprocessorConf, values.get("preprocessor_conf"), f"{where}: preprocessor_conf")
    kinds = {"token_type": values.get("token_type") or "bpe", "src_token_type": values.get("src_token_type") or "bpe"}
    return argparse.Namespace(**{"input_size": None, **values, **kinds})


def heads_of(args: argparse.Namespace) -> dict[str, HeadSpec]:
    """The parsed entries of `model_conf.heads`."""
    conf = read(ModelConf, args.model_conf, "model_conf")
    return parse_heads(conf.heads, parse_lanes(conf.lanes))


def inputs_of(args: argparse.Namespace) -> dict[str, InputSpec]:
    """The parsed entries of `model_conf.inputs`."""
    return parse_inputs((args.model_conf or {}).get("inputs"))


def tgt_langs_of(args: argparse.Namespace) -> TargetLanguagesConf | None:
    """The parsed `model_conf.tgt_langs`, None where there is none."""
    values = (args.model_conf or {}).get("tgt_langs")
    return None if values is None else read(TargetLanguagesConf, values, "model_conf.tgt_langs")


def channels_of(args: argparse.Namespace, frontends: Mapping[str, type]) -> int:
    """Channels of the recordings that the frontend takes: those of its array, a key of its own where it has one, or
    what its class says; 0 where no speech is heard.
    """
    if args.input_size is not None:
        return 0
    frontend = frontends.get(args.frontend)
    own = frontend.channels if frontend is not None and issubclass(frontend, StreamingFrontend) else 1
    return channels.channels_of(args.frontend, args.frontend_conf, own)


def marks_of(args: argparse.Namespace) -> TokenLists:
    """What the weights remember of the token lists."""
    lists = lists_of(args)
    inputs = {name: spec.vocabulary_in(lists) for name, spec in inputs_of(args).items()}
    return token_lists(heads_of(args), lists, inputs)


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
    listed = _read_tokens(Path(tokens), option) if isinstance(tokens, (str, Path)) else tokens
    if not isinstance(listed, (list, tuple)) or not all(isinstance(token, str) and token for token in listed):
        raise ConfigError(f"--{option} is {shown(listed)}: give the file of a token list, or a list of its tokens")
    if len(listed) > MAX_TOKENS:
        raise ConfigError(f"--{option} has {len(listed)} tokens: at most {MAX_TOKENS}")
    return list(listed)


def _read_tokens(path: Path, option: str) -> list[str]:
    try:
        if path.is_file() and path.stat().st_size > MAX_TOKEN_BYTES:
            raise ConfigError(f"--{option} {path} is larger than {MAX_TOKEN_BYTES} bytes; no token list is")
        return read_tokens(path)
    except (UnicodeDecodeError, OSError, ValueError) as error:
        raise ConfigError(f"--{option} {shown(str(path))} is no token list: {error}") from error


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


def check_form(args: argparse.Namespace, files: Sequence[Sequence[str]]) -> None:
    """Refuse audio of another rate than the model's, or not of the channels that it takes: ESPnet only checks that all
    files have the same rate.

    Args:
        args: for the frontend, and `frontend_conf.fs`, where it has such a key.
        files: ESPnet's (file, name, type); the first recording of each list of sound files is looked at.

    Raises:
        DataError: names the recording, and both rates or numbers of channels.
    """
    fs = (args.frontend_conf or {}).get("fs")
    count = channels.channels_of(args.frontend, args.frontend_conf)
    for path, name, kind in files:
        if (fs is None and count == 1) or name != "speech" or kind != "sound":
            continue
        with open(path, encoding="utf-8", newline="\n") as lines:
            audio = lines.readline().strip().partition(" ")[2]
        if not Path(audio).is_file():
            continue
        info = audio_file.inspect(audio)
        if fs is not None and info.fs != fs:
            raise DataError(
                f"{audio} is at {info.fs} Hz and the model works at {fs} Hz (frontend_conf.fs): "
                f"stage 3 resamples with --fs {fs}"
            )
        if count > 1 and info.channels != count:
            raise DataError(
                f"{audio} has {info.channels} channels and the model takes {count} (frontend_conf of {args.frontend}): "
                f"stage 3 leaves others out with --audio_channels {count}"
            )
