"""From the arguments of a training to modules."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from espnet_jst.config import check_choice, closest, shown
from espnet_jst.encoders.chain import FIRST, Chain, Link
from espnet_jst.encoders.conf import TargetLanguagesConf
from espnet_jst.encoders.interface import StreamingEncoder
from espnet_jst.encoders.tgt_langs import TargetLanguages
from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.heads.build import build_heads, by_name
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.inputs.build import build_inputs
from espnet_jst.inputs.interface import Input, StreamingFrontend
from espnet_jst.inputs.spec import InputSpec
from espnet_jst.inputs.stats_file import check_stats
from espnet_jst.keys import read
from espnet_jst.model import JSTModel
from espnet_jst.registry import PLUGINS_VARIABLE, conf_of, names
from espnet_jst.regularizers.build import build_regularizers
from espnet_jst.tasks.arguments import heads_of, inputs_of, lists_of, marks_of, tgt_langs_of

MAX_INPUT_SIZE = 4096


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
    if name == "s3prl":
        return (
            ": ESPnet's S3prlFrontend has no step, and an utterance depends on its batch. Of WavLM, HuBERT and wav2vec "
            "2.0 pretrained takes the checkpoint too (frontend_conf: {model: FILE.pt}), s3prl_upstream others' names"
        )
    if name == "whisper":
        return ": ESPnet's hears whole utterances; chunk_whisper, over whisper_mel, has a Whisper's weights and streams"
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

    frontend, normalize = None, None
    texts: dict[str, Input] = {}
    if args.input_size is None:
        frontend = make("frontend")
        if not isinstance(frontend, StreamingFrontend):
            raise ConfigError(
                f"frontend {args.frontend!r}: {type(frontend).__name__} is no StreamingFrontend, which a stream needs: "
                f"use {', '.join(names('frontend'))}"
            )
        args.frontend_conf = {**(args.frontend_conf or {}), **frontend.written()}
        # Statistics are what the normalization is made from: it cannot exist while they are collected.
        normalize = None if getattr(args, "collect_stats", False) else make("normalize")
        _check_size(normalize, frontend.output_size())
        size, shift_s = frontend.output_size(), frontend.hop_s
    else:
        for name in ("frontend", "specaug", "normalize"):  # of speech: what is saved has none of it
            setattr(args, name, None)
            setattr(args, f"{name}_conf", {})
        size = args.input_size
        texts = build_inputs(_text_alone(args, inputs), vocab_sizes, {FIRST: (size, None)})
        shift_s = next(iter(texts.values())).shift_s
    encoder = make("encoder", input_size=size)
    args.encoder_conf = {**(args.encoder_conf or {}), **encoder.written()}
    feeds, links = {"encoder": (size, shift_s)}, [Link("encoder", encoder, None)]
    chain = Chain(links, shift_s)
    hier_encoder, hier_reads = None, model_conf.get("hier_reads", "encoder")
    if getattr(args, "hier_encoder", None) is not None:
        check_choice(hier_reads, chain.sizes, "model_conf.hier_reads")
        feeds["hier_encoder"] = chain.sizes[hier_reads], chain.shifts_s[hier_reads]
        hier_encoder = make("hier_encoder", input_size=chain.sizes[hier_reads])
        args.hier_encoder_conf = {**(args.hier_encoder_conf or {}), **hier_encoder.written()}
        chain = Chain([*links, Link("hier_encoder", hier_encoder, hier_reads)], shift_s)
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
        tgt_langs=_target_languages(tgt_langs_of(args), chain, specs),
        inputs=texts | build_inputs({name: inputs[name] for name in inputs if name not in texts}, vocab_sizes, feeds),
        regularizers=build_regularizers(model_conf.get("regularizers"), by_name(heads, specs), shifts_s, specs),
        token_lists=marks,
    )


def _text_alone(args: argparse.Namespace, inputs: Mapping[str, InputSpec]) -> dict[str, InputSpec]:
    """The texts that feed the first encoder of a model that hears no speech; of several, it decodes the first one that
    has an embedding of its own.
    """
    size, found = args.input_size, {name: spec for name, spec in inputs.items() if spec.into == FIRST}
    if type(size) is not int or not 0 < size <= MAX_INPUT_SIZE:
        raise ConfigError(f"input_size is {shown(size)}: give the features of a frame of text, 1 to {MAX_INPUT_SIZE}")
    if all(spec.shares is not None for spec in found.values()):
        raise ConfigError(
            "input_size: no speech is heard, so an entry of model_conf.inputs must feed the encoder, and none does: "
            "src_text: {kind: tokens, repeat: 4, into: encoder}"
        )
    return found


def _target_languages(
    conf: TargetLanguagesConf | None, chain: Chain, heads: Mapping[str, HeadSpec]
) -> TargetLanguages | None:
    if conf is None:
        return None
    check_choice(conf.at, chain.sizes, "model_conf.tgt_langs.at")
    if conf.at not in {spec.reads for spec in heads.values()}:
        raise ConfigError(f"model_conf.tgt_langs.at: no head reads {conf.at}: name the encoder of the translation")
    return TargetLanguages(size=chain.sizes[conf.at], at=conf.at, codes=conf.codes)


def _check_size(normalize: Any, features: int) -> None:
    """Refuse statistics of other features than the frontend's, which would fail at the first sample."""
    mean = getattr(normalize, "mean", None)
    if mean is not None and mean.numel() not in (1, features):  # one number holds for all
        raise ConfigError(
            f"normalize_conf.stats_file has statistics of {mean.numel()} features and the frontend makes {features}: "
            "give those that stage 10 wrote for this frontend"
        )
