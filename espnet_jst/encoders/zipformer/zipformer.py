"""Zipformer encoder (arXiv:2310.11230): stacks at several rates; whole utterances and streams share the layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_jst.encoders.interface import ChunkContext, StreamingEncoder, TapSize
from espnet_jst.encoders.zipformer.conf import ZipformerConf
from espnet_jst.encoders.zipformer.extent import Extent, bias_of, whole_extent
from espnet_jst.encoders.zipformer.frontend import LEAST_FEATURES, ConvFrontend, FrontendState
from espnet_jst.encoders.zipformer.layer import LayerSizes, LayerState, ZipformerLayer
from espnet_jst.encoders.zipformer.parts import Downsample, Shaping
from espnet_jst.encoders.zipformer.schedule import Ramp
from espnet_jst.encoders.zipformer.shapers import Shaper
from espnet_jst.encoders.zipformer.stack import Stack
from espnet_jst.errors import ConfigError
from espnet_jst.keys import takes
from espnet_jst.scheduled import Scheduled
from espnet_jst.streams import RowState, Waiting, zeroed
from espnet_jst.taps import Tap

LAST_STACK = "last_stack"


@dataclass
class ZipformerState(RowState):
    """Everything that a stream carries from chunk to chunk.

    Attributes:
        context: chunk and left context, fixed for the stream.
        frontend: what waits in the front end; None without one.
        pending: frames that do not fill a chunk yet.
        stacks: a state for every layer of every stack.
        cached: frames of left context that each row has in them.
    """

    context: ChunkContext
    frontend: FrontendState | None
    pending: Waiting
    stacks: list[LayerState]
    cached: list[int]


class Zipformer(StreamingEncoder, Scheduled):
    """Streaming Zipformer encoder.

    Taps: the top, in which the stacks' features are put together and `output_subsampling` frames are joined, and
    "last_stack", the frames of the last stack before that, which is what HENT-SRT's upper encoder reads
    (arXiv:2506.02157).

    Args:
        input_size: features per input frame; without a front end, the size of the first stack.
    """

    @takes(ZipformerConf)
    def __init__(self, input_size: int, conf: ZipformerConf) -> None:
        super().__init__()
        self.conf = conf
        self.sizes, self.factors, self.joined = conf.sizes, conf.downsampling, conf.output_subsampling
        self.context = ChunkContext(conf.chunk_frames, conf.left_chunks)
        self.train_contexts = [
            # All chunks are drawn as often, the whole utterance too, whose left context says nothing.
            ChunkContext(chunk, max(1, left // chunk) if chunk and left >= 0 else -1)
            for chunk in conf.train_chunk_frames
            for left in conf.train_left_frames
        ]
        top, rate = max(conf.sizes), conf.subsampling
        self.tap_sizes = {"": TapSize(top, rate * self.joined), LAST_STACK: TapSize(conf.sizes[-1], rate)}
        shaping = Shaping(conf.balancers, conf.whitening)
        if rate == 1 and input_size != conf.sizes[0]:
            raise ConfigError(
                f"sizes begins with {conf.sizes[0]} and what this encoder reads has {input_size} features: without a "
                "front end (subsampling: 1) they must be equal"
            )
        self.frontend = None
        if rate == 2 and input_size < LEAST_FEATURES:
            raise ConfigError(
                f"the convolutions in front need {LEAST_FEATURES} features of an input frame or more, not {input_size}"
            )
        if rate == 2:
            self.frontend = ConvFrontend(
                input_size,
                conf.sizes[0],
                channels=conf.subsampling_channels,
                dropout=conf.dropout,
                skips=conf.skips,
                shaping=shaping,
            )
        self.each = [self._stack(number, shaping) for number in range(len(conf.sizes))]
        self.stacks = nn.ModuleList(self.each)
        self.output = Downsample(self.joined) if self.joined > 1 else None
        self._shapers = [module for module in self.modules() if isinstance(module, Shaper)]
        self.calls = 0
        self.at(0, 1)

    def _stack(self, number: int, shaping: Shaping) -> Stack:
        conf = self.conf
        count, factor, size = conf.layers[number], conf.downsampling[number], conf.sizes[number]
        sizes = LayerSizes(
            size,
            conf.heads[number],
            conf.feed_forward_sizes[number],
            conf.kernel_sizes[number],
            conf.query_head_size,
            conf.value_head_size,
            conf.pos_head_size,
            conf.pos_size,
        )
        # The front end learns first, then one stack after the other, and in each one layer after the other.
        window = conf.warm_batches / (len(conf.layers) + 1)
        begins = [window * (number + 1 + layer / count) for layer in range(count)]
        layers = [
            ZipformerLayer(
                sizes,
                causal=conf.causal,
                dropout=conf.dropout,
                skips=conf.skips,
                layer_skip=Ramp((begin, 0.5), (begin + window / count, 0.035 * factor**0.5)),
                shaping=shaping,
            )
            for begin in begins
        ]
        return Stack(layers, size=size, factor=factor)

    def at(self, step: int, epoch: int) -> None:
        """Set how far the schedules are; see `Scheduled`."""
        for shaper in self._shapers:
            shaper.advance(step * self.conf.batch_scale, epoch)

    def forward(
        self, xs_pad: Tensor, ilens: Tensor, prev_states: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """ESPnet's signature; its own models tell nobody how far a training is, so the calls in it are counted."""
        if self.training:
            self.at(self.calls, 1)
            self.calls += 1
        return super().forward(xs_pad, ilens, prev_states)

    def check_context(self, context: ChunkContext) -> None:
        """See StreamingEncoder."""
        super().check_context(context)
        if context.chunk_frames and not self.conf.causal:
            raise ConfigError("a Zipformer with causal: false takes whole utterances only: give no chunk")
        self.conf.check_chunk("chunk_frames", context.chunk_frames)

    def encode(self, tap: Tap, context: ChunkContext) -> dict[str, Tap]:
        """See StreamingEncoder; nothing that stands behind an utterance reaches its frames."""
        self.check_context(context)
        x, lengths, leaks = tap.x, tap.lengths, self.conf.released_padding
        if self.frontend is not None:
            x, lengths = self.frontend(x, lengths, released_padding=leaks)
        T, chunk = x.size(1), context.chunk_frames * self.joined
        ends = torch.full_like(lengths, T) if leaks else lengths
        extents = {}
        for factor in {*self.factors}:
            own = ChunkContext(chunk // factor, context.left_chunks)
            count, end = -(-lengths // factor), -(-ends // factor)
            extents[factor] = whole_extent(count, end, -(-T // factor), own, bands=not leaks)
        x, last, _ = self.run_stacks(x, ends, extents, None)
        return self._taps(self.join(x, ends), last, lengths, tap.shift_s)

    def init_state(self, batch_size: int, context: ChunkContext, device: torch.device | str = "cpu") -> ZipformerState:
        self.check_context(context)
        frontend = None if self.frontend is None else self.frontend.init_state(batch_size, device)
        pending = Waiting.none(batch_size, self.sizes[0], device=device)
        # As much as a stream will keep, so that a step always has the same shapes.
        kept = max(0, context.left_chunks) * context.chunk_frames * self.joined
        stacks = []
        for stack in self.each:
            for layer in stack.each:
                stacks.append(layer.init_state(batch_size, kept // stack.factor, device))
        return ZipformerState(context, frontend, pending, stacks, [0] * batch_size)

    def ready(self, frames: int, context: ChunkContext) -> dict[str, int]:
        count = frames if self.frontend is None else self.frontend.ready(frames)
        chunk = context.chunk_frames * self.joined
        complete = count - count % chunk if chunk else 0
        return {"": complete // self.joined, LAST_STACK: complete}

    def step(self, tap: Tap, state: ZipformerState, last: Sequence[bool]) -> tuple[dict[str, Tap], ZipformerState]:
        """See StreamingEncoder; several complete chunks are run one after the other."""
        x, counts, frontend = tap.x, tap.lengths.tolist(), state.frontend
        if self.frontend is not None and frontend is not None:
            x, counts, frontend = self.frontend.step(x, counts, frontend, last)
        waiting = state.pending.append(x, counts)
        chunk = state.context.chunk_frames * self.joined
        ready = [
            count if ends else count - count % chunk if chunk else 0
            for count, ends in zip(waiting.counts, last, strict=True)
        ]
        stacks, cached = state.stacks, state.cached
        tops, lasts = [], []
        size = chunk or max([1, *ready])
        for start in range(0, max(ready), size):
            now = [min(max(count - start, 0), size) for count in ready]
            frames = waiting.x[:, start : start + size]
            frames = zeroed(nn.functional.pad(frames, (0, 0, 0, size - frames.size(1))), now)
            top, lower, stacks, cached = self._chunk(frames, now, state.context, stacks, cached)
            tops.append(top)
            lasts.append(lower)
        B = len(ready)
        top = torch.cat(tops, dim=1) if tops else x.new_zeros(B, 0, self.tap_sizes[""].size)
        lower = torch.cat(lasts, dim=1) if lasts else x.new_zeros(B, 0, self.sizes[-1])
        most = max(ready)  # the last chunk of a row may be filled up
        taps = self._taps(top[:, : -(-most // self.joined)], lower[:, :most], torch.tensor(ready), tap.shift_s)
        return taps, ZipformerState(state.context, frontend, waiting.drop(ready), stacks, cached)

    def _chunk(
        self, x: Tensor, counts: list[int], context: ChunkContext, states: list[LayerState], cached: list[int]
    ) -> tuple[Tensor, Tensor, list[LayerState], list[int]]:
        """One chunk (B, T, D), `counts` frames of each row, over the left context that each has."""
        T, limit = x.size(1), max(0, context.left_chunks) * context.chunk_frames * self.joined
        left = states[0].keys.size(1) * self.factors[0]
        full, filled = all(count == T for count in counts), all(had == left for had in cached)
        lengths, had = (torch.tensor(values, device=x.device) for values in (counts, cached))
        extents = {}
        for factor in {*self.factors}:
            S, frames, count = left // factor, -(-T // factor), -(-lengths // factor)
            place = torch.arange(S + frames, device=x.device)
            mask = (place >= S - had[:, None] // factor) & (place < S + count[:, None])
            valid = None if full else mask[:, S:, None]
            bias = None if full and filled else bias_of(mask[:, None, None])
            extents[factor] = Extent(count, count, valid, bias, T // factor if context.chunk_frames else 0, S)
        x, last, made = self.run_stacks(x, lengths, extents, states)
        factors = [stack.factor for stack in self.each for _ in stack.each]
        # Nothing follows a whole utterance, whose frames need not fill those of every stack.
        grows = context.left_chunks < 0 and context.chunk_frames > 0
        keep = left + T if grows else limit
        # A row that stands still keeps what it has.
        moved = None if all(counts) else (lengths > 0)[:, None, None]
        after = [
            state.moved_on(new, keep // factor, moved) for state, new, factor in zip(states, made, factors, strict=True)
        ]
        heard = [had + count for had, count in zip(cached, counts, strict=True)]
        heard = heard if grows else [min(count, limit) for count in heard]
        return self.join(x, lengths), last, after, heard

    def run_stacks(
        self, x: Tensor, ends: Tensor, extents: Mapping[int, Extent], states: Sequence[LayerState] | None
    ) -> tuple[Tensor, Tensor, list[LayerState]]:
        """Frames -> the features of all stacks put together, those of the last one, and what the layers made."""
        outputs: list[Tensor] = []
        made: list[LayerState] = []
        masks = self._feature_masks(x)
        for number, stack in enumerate(self.each):
            begin = len(made)
            own = None if states is None else states[begin : begin + len(stack.each)]
            x, found = stack(x, ends, extents[stack.factor], own, None if masks is None else masks[number])
            outputs.append(x)
            made += found
        size, parts = outputs[-1].size(-1), [outputs[-1]]
        for y in outputs[-2::-1]:
            if y.size(-1) > size:
                parts.append(y[..., size:])
                size = y.size(-1)
        return torch.cat(parts, dim=-1) if len(parts) > 1 else x, outputs[-1], made

    def join(self, x: Tensor, ends: Tensor) -> Tensor:
        """Frames of the stacks -> those of the top."""
        return x if self.output is None else self.output(x, ends)

    def _taps(self, top: Tensor, last: Tensor, lengths: Tensor, shift_s: float) -> dict[str, Tap]:
        shift_s = shift_s * self.conf.subsampling
        joined = -(-lengths // self.joined)
        return {"": Tap(top, joined, shift_s * self.joined), LAST_STACK: Tap(last, lengths, shift_s)}

    def _feature_masks(self, x: Tensor) -> list[Tensor] | None:
        """Zeros for features beyond the unmasked ones, the same draw for all stacks: of some utterances for half of
        them, of about twice as many for the other half.
        """
        share = self.conf.feature_mask
        if not self.training or share == 0:
            return None
        first = torch.rand(x.size(0), 1, 1, device=x.device) >= share
        second = first & (torch.rand(x.size(0), 1, 1, device=x.device) >= share)
        masks = []
        for size, free in zip(self.sizes, self.conf.unmasked_sizes, strict=True):
            place = torch.arange(size, device=x.device)
            mask = (place < free) | (first & (place < (free + size) // 2)) | second
            masks.append(mask.to(x.dtype))
        return masks
