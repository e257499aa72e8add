"""The searches of a model, and the CTC heads that time its words, as its configuration and the options say."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from espnet_jst.errors import ConfigError
from espnet_jst.heads.attention import AttentionHead
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.spec import HeadSpec, vocabulary_of
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.inference.align.word_times import TimingConf
from espnet_jst.inference.decoder import Decoder
from espnet_jst.inference.options import DecodingOptions
from espnet_jst.inference.word_stream import LaneSearch, Timing
from espnet_jst.model import JSTModel
from espnet_jst.registry import load
from espnet_jst.search.attention import CTC_WEIGHT, AttentionSearch
from espnet_jst.search.beam import BeamSearch
from espnet_jst.search.blank_penalty import BlankPenalty, Steering
from espnet_jst.search.clocks import Clock, CTCLabels, Seconds, Silent
from espnet_jst.search.ctc import CTCSearch
from espnet_jst.search.followed import LanePenalty, lane_penalties
from espnet_jst.search.greedy import GreedySearch
from espnet_jst.search.interface import Search
from espnet_jst.search.penalty_rules import PenaltyRule
from espnet_jst.search.rescoring import Rescoring
from espnet_jst.search.scorers import LabelScorer
from espnet_jst.search.spec import SEARCHED, WHERE, SearchSpec, parse_searches
from espnet_jst.streams import device_of
from espnet_jst.text.lanes import Lane, parse_lanes
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer

ATTENTION_OPTIONS = ("ctc_weight", "penalty", "maxlenratio", "minlenratio")


def build_decoder(
    model: JSTModel, args: argparse.Namespace, tokenizers: Mapping[str, Tokenizer], options: DecodingOptions
) -> Decoder:
    """Greedy searches (`beam_size` 1) or beam searches, and the CTC heads that time words.

    Args:
        model: the model.
        args: its training arguments.
        tokenizers: by vocabulary.
        options: how to decode.

    Raises:
        ConfigError: the model has no head that can be searched, or the configuration or the options name one that
            cannot be, or a lane that it does not write.
    """
    conf = args.model_conf or {}
    lanes = parse_lanes(conf.get("lanes"))
    specs = parse_searches(model.specs, conf.get("searches"), options.search_heads, rescore=options.rescore)
    if not specs:
        raise ConfigError(f"the model has no head to search; train one with kind: {' or '.join(SEARCHED)}")
    _check_attention_options(options, {model.specs[spec.searched].kind for spec in specs.values()})
    readers = {name: tokenizer_of(model.specs[spec.searched], tokenizers) for name, spec in specs.items()}
    scorers = options.scorers(readers, str(device_of(model)))
    searches = {}
    for name, spec in specs.items():
        head = model.specs[spec.searched]
        tags = Tags.configured(head.tags, getattr(args, "preprocessor_conf", None))
        penalties = lane_penalties(options.blank_penalty, head, model.specs, lanes)
        penalty = blank_penalty(model, head, _opens(head, readers[name], tags), penalties)
        searches[name] = LaneSearch(
            kind=head.kind,
            search=_rescoring(model, spec, options)
            if spec.rescores
            else _search(model, spec, options, scorers[name], penalty),
            tokenizer=readers[name],
            tags=tags,
            lanes=tuple(lanes[lane] for lane in head.lanes),
            frame_shift_s=model.chain.shifts_s[_written_in(spec, specs, model)],
            begin_s=model.source.begin_s,
            replaced=_replaced(spec, specs, model.specs),
            follows=spec.second_pass_of,
        )
    return Decoder(searches, build_timings(model, lanes, tokenizers, options.timing_conf), revises=options.revise)


def _search(
    model: JSTModel,
    spec: SearchSpec,
    options: DecodingOptions,
    scorers: Sequence[LabelScorer],
    penalty: BlankPenalty,
) -> Search[Any]:
    """The search that the kind of its head and the beam ask for.

    Raises:
        ConfigError: a CTC head alone is to be searched with a beam, or with a penalty that adapts.
    """
    module, reads = model.head[spec.searched], model.specs[spec.searched].reads
    if isinstance(module, AttentionHead):
        ctc = model.head[spec.ctc] if spec.ctc else None
        assert ctc is None or isinstance(ctc, CTCHead)
        return AttentionSearch(
            module,
            reads=reads,
            beam_size=options.beam_size,
            ctc=ctc,
            ctc_reads=model.specs[spec.ctc].reads if spec.ctc else "",
            scorers=scorers,
            **{name: value for name in ATTENTION_OPTIONS if (value := getattr(options, name)) is not None},
        )
    if isinstance(module, CTCHead):
        if penalty.steering:
            raise ConfigError(f"blank_penalty: the CTC head {spec.searched!r} takes a number, nothing that adapts")
        if options.beam_size > 1:
            raise ConfigError(f"beam_size: the CTC head {spec.searched!r} is searched greedily, give 1")
        return CTCSearch(module, reads=reads, blank_penalty=float(penalty.values[0]))
    assert isinstance(module, TransducerHead)
    common: dict[str, Any] = {"reads": reads, "max_symbols": options.max_symbols, "blank_penalty": penalty}
    if options.beam_size > 1:
        return BeamSearch(module, beam_size=options.beam_size, scorers=scorers, **common)
    return GreedySearch(module, **common)


def _rescoring(model: JSTModel, spec: SearchSpec, options: DecodingOptions) -> Rescoring:
    assert spec.second_pass_of is not None
    if options.beam_size == 1:
        raise ConfigError(
            f"{WHERE}.{spec.name} chooses among the sequences of {spec.second_pass_of!r}: give a beam_size of 2 or more"
        )
    ctc = (CTC_WEIGHT if options.ctc_weight is None else options.ctc_weight) if spec.ctc else 0.0
    weights = {spec.searched: 1.0 - ctc} | ({spec.ctc: ctc} if spec.ctc else {})
    heads = [(model.head[name], model.specs[name].reads, weight) for name, weight in weights.items()]
    return Rescoring(heads, model.chain.sizes, share=spec.share)


def _written_in(spec: SearchSpec, specs: Mapping[str, SearchSpec], model: JSTModel) -> str:
    """The tap in whose frames the labels of a search were written."""
    writer = specs[spec.second_pass_of] if spec.rescores and spec.second_pass_of else spec
    return model.specs[writer.searched].reads


def _check_attention_options(options: DecodingOptions, kinds: Collection[str]) -> None:
    if "attention" not in kinds:
        for name in ATTENTION_OPTIONS:
            if getattr(options, name):
                raise ConfigError(f"{name} is of attention decoders, and none is searched: see blank_penalty")


def build_timings(
    model: JSTModel, lanes: Mapping[str, Lane], tokenizers: Mapping[str, Tokenizer], conf: TimingConf | None = None
) -> dict[str, Timing]:
    """For each lane that says what was spoken, the first CTC head that writes it."""
    timings: dict[str, Timing] = {}
    for name, spec in model.specs.items():
        head, lane = model.head[name], spec.lanes[0]
        if isinstance(head, CTCHead) and lanes[lane].source and lane not in timings:
            timings[lane] = Timing(
                head=head,
                reads=spec.reads,
                tokenizer=tokenizer_of(spec, tokenizers),
                frame_shift_s=model.chain.shifts_s[spec.reads],
                begin_s=model.source.begin_s,
                conf=conf or TimingConf(),
            )
    return timings


def tokenizer_of(spec: HeadSpec, tokenizers: Mapping[str, Tokenizer]) -> Tokenizer:
    """The tokenizer of a head's vocabulary."""
    return tokenizers[vocabulary_of(spec, tokenizers)]


def blank_penalty(
    model: JSTModel, spec: HeadSpec, opens: Sequence[int] | None, penalties: Sequence[float | LanePenalty]
) -> BlankPenalty:
    """The penalties of a head's lanes; `opens` as BlankPenalty has it."""
    shift_s, steering = model.chain.shifts_s[spec.reads], list[Steering | None]()
    for penalty in penalties:
        if isinstance(penalty, LanePenalty):
            rule: PenaltyRule = load("penalty", penalty.kind)(**asdict(penalty.conf))
            steering.append(Steering(rule, _clock(model, shift_s, penalty), penalty.followed.written))
        else:
            steering.append(None)
    values = [penalty.conf.penalty if isinstance(penalty, LanePenalty) else penalty for penalty in penalties]
    return BlankPenalty(values, opens, steering, shift_s)


def _clock(model: JSTModel, shift_s: float, penalty: LanePenalty) -> Clock:
    followed, memory_s = penalty.followed, penalty.conf.memory_s
    if followed.written is not None:
        return Silent()
    if followed.head is None:
        return Seconds(shift_s, memory_s)
    head, reads = model.head[followed.head], model.specs[followed.head].reads
    assert isinstance(head, CTCHead)
    own_s = model.chain.shifts_s[reads]
    return CTCLabels(head, reads=reads, shift_s=own_s, search_shift_s=shift_s, memory_s=memory_s)


def _opens(spec: HeadSpec, tokenizer: Tokenizer, tags: Tags) -> list[int] | None:
    """For each label the place of the lane that it opens, -1 for none; None for a head of one lane."""
    if not spec.serialized:
        return None
    opened = [tags.read(token) for token in tokenizer.tokens]
    places = {lane: place for place, lane in enumerate(spec.lanes)}
    return [-1 if tag is None or tag.lane is None else places[tag.lane] for tag in opened]


def _replaced(spec: SearchSpec, searches: Mapping[str, SearchSpec], heads: Mapping[str, HeadSpec]) -> frozenset[str]:
    """The lanes of a search that a second pass writes as well."""
    later = [other.lanes(heads) for other in searches.values() if other.second_pass_of == spec.name]
    return frozenset(lane for lanes in later for lane in lanes if lane in spec.lanes(heads))
