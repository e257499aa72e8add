"""From the values of a configuration to modules."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_jst.config import check_choice, closest, shown
from espnet_jst.data import audio_file
from espnet_jst.data.conf import PreprocessorConf
from espnet_jst.encoders.chain import Chain, Link
from espnet_jst.encoders.interface import StreamingEncoder
from espnet_jst.errors import CheckpointError, ConfigError, DataError, JSTError
from espnet_jst.heads.build import build_heads, token_lists
from espnet_jst.heads.spec import HeadSpec, ModelConf, parse_heads
from espnet_jst.inputs.build import build_inputs
from espnet_jst.inputs.interface import StreamingFrontend
from espnet_jst.inputs.spec import InputSpec, parse_inputs
from espnet_jst.inputs.stats_file import check_stats
from espnet_jst.keys import read
from espnet_jst.model import JSTModel
from espnet_jst.registry import PLUGINS_VARIABLE, conf_of, keys_of_class, names
from espnet_jst.regularizers.build import build_regularizers, parse_regularizers
from espnet_jst.search.spec import parse_searches
from espnet_jst.text.lanes import parse_lanes
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.token_marks import TokenLists

MAX_TOKENS, MAX_TOKEN_BYTES = 200_000, 2**24


def construct(choices: Any, name: str | None, conf: Mapping | None, **fixed: Any) -> Any:
    """An object of a registered class, or None where the name is None.

    Args:
        choices: ESPnet's ClassChoices.
        name: registered name.
        conf: `<choice>_conf`.
        fixed: arguments that the model gives, such as `input_size`.

    Raises:
        ConfigError: the name or a key of `conf` is unknown, a key is missing, or a value cannot be used; the message
            names the closest known one. What may not be built is not: the check comes first.
    """
    if name is None:
        return None
    known = names(choices.name)
    if name not in known:
        hint = closest(str(name), known)
        if not hint and isinstance(name, str) and name not in choices.classes:
            hint = f", or name the module of its plugin in {PLUGINS_VARIABLE}"
        raise ConfigError(f"{choices.name} {shown(name)}{_why_not(choices, name)}: use {' or '.join(known)}{hint}")
    target = choices.classes[name]
    where = f"{choices.name}_conf of {name}"
    if choices.name in ("encoder", "hier_encoder") and not issubclass(target, StreamingEncoder):
        raise ConfigError(f"{choices.name} {name!r}: {target.__name__} is no StreamingEncoder, which JSTModel needs")
    conf = {} if conf is None else conf
    read(conf_of(choices.name, name), conf, where)
    if choices.name == "normalize" and "stats_file" in conf:
        check_stats(conf["stats_file"])
    try:
        return target(**fixed, **conf)
    except ConfigError as error:  # of what it is given beside its keys
        raise ConfigError(f"{where}: {error}") from error
    except JSTError:
        raise
    except Exception as error:  # whatever a library makes of values that passed
        raise ConfigError(f"{where} cannot be used: {str(error) or type(error).__name__}") from error


def _why_not(choices: Any, name: Any) -> str:
    """What is wrong with a name that may not be built."""
    if not isinstance(name, str) or name not in choices.classes:
        return ""
    if name == "utterance_mvn":
        return ": utterance_mvn takes the mean of the whole utterance, which a stream has not heard yet"
    if choices.name in ("encoder", "hier_encoder"):
        return f": {choices.classes[name].__name__} has no taps and no step, which JSTModel needs"
    return f": {choices.classes[name].__name__} has no step, which a stream needs"


def build_model(args: argparse.Namespace, choices: Mapping[str, Any]) -> JSTModel:
    """The model of a configuration.

    Args:
        args: values of the command line or of config.yaml; token lists become lists of tokens in it, as ESPnet does.
        choices: ClassChoices by name.

    Raises:
        ConfigError: a name, key or value cannot be used.
    """
    model_conf = args.model_conf or {}
    specs = heads_of(args)
    inputs, lists, marks = inputs_of(args), lists_of(args), marks_of(args)
    args.token_list, vocab_sizes = lists["tgt"], {name: len(tokens) for name, tokens in lists.items()}
    if "src" in lists:
        args.src_token_list = lists["src"]

    def make(name: str, **fixed: Any) -> Any:
        return construct(choices[name], getattr(args, name, None), getattr(args, f"{name}_conf", None), **fixed)

    frontend = make("frontend")
    if not isinstance(frontend, StreamingFrontend):
        raise ConfigError(
            f"frontend {args.frontend!r}: {type(frontend).__name__} is no StreamingFrontend, which a stream needs: use "
            f"{', '.join(names('frontend'))}"
        )
    # Statistics are what the normalization is made from: it cannot exist while they are collected.
    normalize = None if getattr(args, "collect_stats", False) else make("normalize")
    _check_size(normalize, frontend.output_size())
    encoder = make("encoder", input_size=frontend.output_size())
    feeds, links = {"encoder": (frontend.output_size(), frontend.hop_s)}, [Link("encoder", encoder, None)]
    chain = Chain(links, frontend.hop_s)
    hier_encoder, hier_reads = None, model_conf.get("hier_reads", "encoder")
    if getattr(args, "hier_encoder", None) is not None:
        check_choice(hier_reads, chain.sizes, "model_conf.hier_reads")
        feeds["hier_encoder"] = chain.sizes[hier_reads], chain.shifts_s[hier_reads]
        hier_encoder = make("hier_encoder", input_size=chain.sizes[hier_reads])
        chain = Chain([*links, Link("hier_encoder", hier_encoder, hier_reads)], frontend.hop_s)
    heads = build_heads(specs, chain.sizes, vocab_sizes)
    shifts_s = chain.shifts_s | {name: chain.shifts_s[spec.reads] for name, spec in specs.items()}
    return JSTModel(
        frontend=frontend,
        specaug=make("specaug"),
        normalize=normalize,
        encoder=encoder,
        hier_encoder=hier_encoder,
        heads=heads,
        specs=specs,
        hier_reads=hier_reads,
        hier_gradient=model_conf.get("hier_gradient", 1.0),
        inputs=build_inputs(inputs, vocab_sizes, feeds),
        regularizers=build_regularizers(model_conf.get("regularizers"), heads, shifts_s),
        token_lists=marks,
    )


def check_keys_of(args: argparse.Namespace) -> None:
    """Refuse what no part of a training knows or can use, before anything is read or built.

    Raises:
        ConfigError: names the part, the key, and the closest known one or what the value may be.
    """
    from espnet2.tasks import abs_task

    model_conf = args.model_conf or {}
    parse_searches(heads_of(args), model_conf.get("searches"))
    inputs_of(args)
    parse_regularizers(model_conf.get("regularizers"))
    read(PreprocessorConf, args.preprocessor_conf, "preprocessor_conf")
    made_later = ["normalize"] if args.collect_stats else []  # from the statistics
    for choice in ("frontend", "specaug", "normalize", "encoder", "hier_encoder"):
        name = getattr(args, choice)
        if choice not in made_later and name in names(choice):  # else `construct` says what is wrong with it
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
    for key in ("frontend", "encoder", "token_list"):
        if values.get(key) is None:
            raise CheckpointError(f"{where} has no {key}, without which there is no model")
    for key in ("token_type", "src_token_type", "bpemodel", "src_bpemodel"):
        if not isinstance(values.get(key), (str, type(None))):
            raise CheckpointError(f"{where}: {key} is {shown(values[key])}: it must be text")
    read(PreprocessorConf, values.get("preprocessor_conf"), f"{where}: preprocessor_conf")
    kinds = {"token_type": values.get("token_type") or "bpe", "src_token_type": values.get("src_token_type") or "bpe"}
    return argparse.Namespace(**{**values, **kinds})


def heads_of(args: argparse.Namespace) -> dict[str, HeadSpec]:
    """The parsed entries of `model_conf.heads`."""
    conf = read(ModelConf, args.model_conf, "model_conf")
    return parse_heads(conf.heads, parse_lanes(conf.lanes))


def inputs_of(args: argparse.Namespace) -> dict[str, InputSpec]:
    """The parsed entries of `model_conf.inputs`."""
    return parse_inputs((args.model_conf or {}).get("inputs"))


def channels_of(args: argparse.Namespace, frontends: Mapping[str, type]) -> int:
    """Channels of the recordings that the frontend takes: a key of its own where it has one, or what its class says."""
    frontend = frontends.get(args.frontend)
    own = frontend.channels if frontend is not None and issubclass(frontend, StreamingFrontend) else 1
    return (args.frontend_conf or {}).get("channels", own)


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
        with open(path, encoding="utf-8", newline="\n") as lines:
            audio = lines.readline().strip().partition(" ")[2]
        if Path(audio).is_file() and (rate := audio_file.inspect(audio).fs) != fs:
            raise DataError(
                f"{audio} is at {rate} Hz and the model works at {fs} Hz (frontend_conf.fs): "
                f"stage 3 resamples with --fs {fs}"
            )


def _check_size(normalize: Any, features: int) -> None:
    """Refuse statistics of other features than the frontend's, which would fail at the first sample."""
    mean = getattr(normalize, "mean", None)
    if mean is not None and mean.numel() not in (1, features):  # one number holds for all
        raise ConfigError(
            f"normalize_conf.stats_file has statistics of {mean.numel()} features and the frontend makes {features}: "
            "give those that stage 10 wrote for this frontend"
        )
