"""The searches of a model, and the CTC heads that time its words, as its configuration and the options say."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from espnet_jst.config import check_keys
from espnet_jst.errors import ConfigError
from espnet_jst.heads.ctc import CTCHead
from espnet_jst.heads.spec import HeadSpec, vocabulary_of
from espnet_jst.heads.transducer import TransducerHead
from espnet_jst.inference.align.word_times import TimingConf
from espnet_jst.inference.decoder import Decoder
from espnet_jst.inference.options import DecodingOptions
from espnet_jst.inference.word_stream import LaneSearch, Timing
from espnet_jst.model import JSTModel
from espnet_jst.search.beam import BeamSearch
from espnet_jst.search.blank_penalty import BlankPenalty
from espnet_jst.search.greedy import GreedySearch
from espnet_jst.search.spec import SearchSpec, parse_searches
from espnet_jst.text.lanes import Lane, parse_lanes
from espnet_jst.text.tags import Tags
from espnet_jst.text.tokenizer import Tokenizer


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
    if isinstance(options.blank_penalty, Mapping):
        check_keys(options.blank_penalty, lanes, "blank_penalty")
    specs = parse_searches(model.specs, conf.get("searches"), options.search_heads)
    if not specs:
        raise ConfigError("the model has no transducer head to search; train one with kind: transducer")
    readers = {name: tokenizer_of(model.specs[spec.heads[0]], tokenizers) for name, spec in specs.items()}
    scorers = options.scorers(readers, str(next(model.parameters()).device))
    searches = {}
    for name, spec in specs.items():
        head = model.specs[spec.heads[0]]
        tags = Tags.configured(head.tags, getattr(args, "preprocessor_conf", None))
        penalty = blank_penalty(head, readers[name], tags, options.blank_penalty)
        module = model.heads[head.name]
        assert isinstance(module, TransducerHead)
        common: dict[str, Any] = {"reads": head.reads, "max_symbols": options.max_symbols, "blank_penalty": penalty}
        searches[name] = LaneSearch(
            kind=head.kind,
            search=BeamSearch(module, beam_size=options.beam_size, scorers=scorers[name], **common)
            if options.beam_size > 1
            else GreedySearch(module, **common),
            tokenizer=readers[name],
            tags=tags,
            lanes=tuple(lanes[lane] for lane in head.lanes),
            frame_shift_s=model.chain.shifts_s[head.reads],
            begin_s=model.frontend.begin_s,
            replaced=_replaced(spec, specs, model.specs),
        )
    return Decoder(searches, build_timings(model, lanes, tokenizers, options.timing_conf))


def build_timings(
    model: JSTModel, lanes: Mapping[str, Lane], tokenizers: Mapping[str, Tokenizer], conf: TimingConf | None = None
) -> dict[str, Timing]:
    """For each lane that says what was spoken, the first CTC head that writes it."""
    timings: dict[str, Timing] = {}
    for name, spec in model.specs.items():
        head, lane = model.heads[name], spec.lanes[0]
        if isinstance(head, CTCHead) and lanes[lane].source and lane not in timings:
            timings[lane] = Timing(
                head=head,
                reads=spec.reads,
                tokenizer=tokenizer_of(spec, tokenizers),
                frame_shift_s=model.chain.shifts_s[spec.reads],
                begin_s=model.frontend.begin_s,
                conf=conf or TimingConf(),
            )
    return timings


def tokenizer_of(spec: HeadSpec, tokenizers: Mapping[str, Tokenizer]) -> Tokenizer:
    """The tokenizer of a head's vocabulary."""
    return tokenizers[vocabulary_of(spec, tokenizers)]


def blank_penalty(
    spec: HeadSpec, tokenizer: Tokenizer, tags: Tags, penalty: float | Mapping[str, float]
) -> BlankPenalty:
    """The penalty of a head's lanes, from a number for all or a mapping; before any tag a stream is in the first."""
    values = [float(penalty.get(lane, 0.0)) if isinstance(penalty, Mapping) else penalty for lane in spec.lanes]
    if not spec.serialized:
        return BlankPenalty(values)
    opened = [tags.read(token) for token in tokenizer.tokens]
    places = {lane: place for place, lane in enumerate(spec.lanes)}
    return BlankPenalty(values, [-1 if tag is None or tag.lane is None else places[tag.lane] for tag in opened])


def _replaced(spec: SearchSpec, searches: Mapping[str, SearchSpec], heads: Mapping[str, HeadSpec]) -> frozenset[str]:
    """The lanes of a search in which the words of a second pass replace its own."""
    later = [other.lanes(heads) for other in searches.values() if other.second_pass_of == spec.name]
    return frozenset(lane for lanes in later for lane in lanes if lane in spec.lanes(heads))
