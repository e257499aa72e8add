"""A trained model and its vocabularies, ready to decode."""

from __future__ import annotations

import argparse
import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from espnet_jst.compat import float32_by_default
from espnet_jst.config import check_choice
from espnet_jst.errors import ConfigError
from espnet_jst.heads.build import vocabulary_of
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.spec import HeadSpec
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.inference.align.word_times import TimingConf
from espnet_jst.inference.decoding import SearchHead, TimingHead
from espnet_jst.inference.device import check_device
from espnet_jst.inference.options import DecodingOptions
from espnet_jst.model import JSTModel
from espnet_jst.search.beam import BeamSearch
from espnet_jst.search.blank_penalty import BlankPenalty
from espnet_jst.search.greedy import GreedySearch
from espnet_jst.text.assembler import LaneOfTag
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.text.words import TRANSCRIPT


def load_model(
    st_train_config: str | Path | None, st_model_file: str | Path | None, device: str = "cpu"
) -> tuple[JSTModel, argparse.Namespace]:
    """The model in evaluation mode and its training arguments; loading is strict.

    Raises:
        CheckpointError, ConfigError: see JSTTask.load_model; the device is not there.
    """
    check_device(device)
    from espnet_jst.tasks.jst import JSTTask

    with float32_by_default():
        model, args = JSTTask.load_model(st_train_config, st_model_file, device)
    return model.eval(), args


def quantized(model: JSTModel) -> JSTModel:
    """A copy whose encoders' linear layers have 8-bit weights and quantize their inputs as they come.

    Raises:
        ConfigError: the model is not on a CPU.
    """
    if any(parameter.device.type != "cpu" for parameter in model.parameters()):
        raise ConfigError("quantize_model=True runs on a CPU only: leave out --quantize_model or --ngpu")
    model = copy.deepcopy(model)
    with warnings.catch_warnings():
        # PyTorch points to torchao, one dependency more; this is what ESPnet's --quantize_asr_model calls too.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=UserWarning)
        for link in model.chain.links:
            torch.ao.quantization.quantize_dynamic(link.encoder, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)
    return model


def tokenizer_of(spec: HeadSpec, tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    """The tokenizer of a head's vocabulary."""
    return tokenizers[vocabulary_of(spec, {name: t.vocab_size for name, t in tokenizers.items()})]


def lane_of_tag(spec: HeadSpec, args: argparse.Namespace) -> LaneOfTag:
    """What a tag of this head opens."""
    conf = getattr(args, "preprocessor_conf", None) or {}
    if spec.tags == "task":
        return Tags().lane_of
    languages = {side: tuple(_listed(conf.get(f"{side}_languages"))) for side in ("source", "target")}
    tags = Tags(scheme=spec.tags, source_languages=languages["source"], target_languages=languages["target"])
    return tags.lane_of


def _listed(value: str | Sequence[str] | None) -> Sequence[str]:
    return value.split() if isinstance(value, str) else value or ()


def choose_heads(model: JSTModel, search_heads: Sequence[str] | None) -> list[str]:
    """The heads to search: those named, or every transducer head whose lanes no later head writes too.

    Raises:
        ConfigError: a name is not a transducer head of the model, or the model has none.
    """
    transducers = [name for name, spec in model.specs.items() if spec.kind == "transducer"]
    if search_heads:
        for name in search_heads:
            check_choice(name, transducers, "search_heads")
        return list(search_heads)
    chosen: list[str] = []
    for name in reversed(transducers):
        covered = {lane for other in chosen for lane in model.specs[other].lanes}
        if not set(model.specs[name].lanes) <= covered:
            chosen.insert(0, name)
    if not chosen:
        raise ConfigError("the model has no transducer head to search; train one with kind: transducer")
    return chosen


def build_search_heads(
    model: JSTModel, args: argparse.Namespace, tokenizers: dict[str, Tokenizer], options: DecodingOptions
) -> dict[str, SearchHead]:
    """A greedy (`beam_size` 1) or beam search with its tokenizer for each head to search."""
    names = choose_heads(model, options.search_heads)
    readers = {name: tokenizer_of(model.specs[name], tokenizers) for name in names}
    scorers = options.scorers(readers, str(next(model.parameters()).device))
    heads = {}
    for name, tokenizer in readers.items():
        spec, head = model.specs[name], model.heads[name]
        assert isinstance(head, TransducerHead)
        lane_of = lane_of_tag(spec, args)
        limits: dict[str, Any] = {"max_symbols": options.max_symbols}
        limits["blank_penalty"] = blank_penalty(spec, tokenizer, lane_of, options.blank_penalty)
        search: GreedySearch | BeamSearch = GreedySearch(head, **limits)
        if options.beam_size > 1:
            search = BeamSearch(head, beam_size=options.beam_size, scorers=scorers[name], **limits)
        heads[name] = SearchHead(spec, search, tokenizer, lane_of, model.chain.shifts_s[spec.reads])
    return heads


def blank_penalty(
    spec: HeadSpec, tokenizer: Tokenizer, lane_of: LaneOfTag, penalty: float | Mapping[str, float]
) -> BlankPenalty:
    """The penalty of a head's lanes, from a number for all or a mapping; before any tag a stream is in the first."""
    lanes = [*spec.lanes]
    values = [float(penalty.get(lane, 0.0)) if isinstance(penalty, Mapping) else penalty for lane in lanes]
    if not spec.serialized:
        return BlankPenalty(values)
    opened = [lane_of(token) for token in tokenizer.tokens]
    return BlankPenalty(values, [lanes.index(lane[0]) if lane else -1 for lane in opened])


def build_timing_head(model: JSTModel, tokenizers: dict[str, Tokenizer], conf: TimingConf | None) -> TimingHead | None:
    """The first CTC head that writes the transcript, or None."""
    for name, spec in model.specs.items():
        head = model.heads[name]
        if isinstance(head, CTCHead) and spec.lanes == (TRANSCRIPT,):
            shift_s = model.chain.shifts_s[spec.reads]
            return TimingHead(spec, head, tokenizer_of(spec, tokenizers), shift_s, conf or TimingConf())
    return None
